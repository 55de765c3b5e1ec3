package mutation_test

import (
	"os"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// A fault is one defect of the product that somebody could make, and the test
// that finds it.
type fault struct {
	name     string // what the product does wrong then
	file     string
	old, new string // old occurs once in the file
	pkg      string // where the test is
	test     string
	long     bool // make check leaves the test out
}

// Rooms of the bench in which steps are tried.
const (
	matrix = "rehearsal/matrix"
	nodes  = "rehearsal/nodetest"
)

// faults are planted one at a time.
var faults = []fault{
	{"sudo stays with whom the profile took it from", "firstboot/base/sudo.go",
		`!strings.Contains(want, "ALL=") && !host.Exists(h.Files, sudoersFile)`, `!strings.Contains(want, "ALL=")`,
		"firstboot/base", "TestSudoGoesWithTheLastAccountThatHasIt", false},
	{"the boot loader is not refreshed after a power cut", "firstboot/base/tuning.go",
		`len(absent) > 0 || host.Exists(f, bootMark) {`, `len(absent) > 0 {`,
		"firstboot/base", "TestTuningSurvivesPowerCuts", true},
	{"a port in another network becomes a member of the bond", "firstboot/management/prove.go",
		`if r.Code != 0 {`, `if r.Code < 0 {`,
		"firstboot/management", "TestManagementNetworkInTrouble", false},
	{"a network that was on trial is never given back", "firstboot/management/rollback.go",
		`if err := f.WriteFile(networkMarker, []byte(`, `if err := f.WriteFile(networkBackup+".at", []byte(`,
		"firstboot/management", "TestTheOldNetworkComesBackByItself", false},
	{"what a command wrote is believed before it is flushed", "firstboot/ringup/ringup.go",
		`if err := s.host.Files.Sync(); err != nil {`, `if err := ctx.Err(); err != nil {`,
		"firstboot/ringup", "TestRingSurvivesPowerCuts", true},
	{"a ring is whole that has carried no packet of full size", "firstboot/ringup/ringup.go",
		`if v.Whole && !slices.ContainsFunc(s.cfg.Neighbours(), func(p layout.Peer) bool { return !peers[p.Node] }) {`, `if v.Whole && !slices.ContainsFunc(s.cfg.Neighbours(), func(p layout.Peer) bool { return p.Node == "" && !peers[p.Node] }) {`,
		"firstboot/ringup", "TestRingVerdicts", false},
	{"an earlier OSD's database passes for that of the present one", "firstboot/pve/volumes.go",
		`p.Kind == want.Kind && (p.of == r.Tags.OSD && p.of != "" || p.of == "" && p.UUID == want.UUID)`, `p.Kind == want.Kind`,
		"firstboot/pve", "TestALeftoverIsNobodysPart", false},
	{"the end of a chain sends back what the middle sent it", "firstboot/ring/layout/desired.go",
		`return cfg.Chain != "" && states[i].Peer != cfg.Chain && states[i].Reaches&bit == 0`, `return cfg.Chain != "" && states[i].Peer == ""`,
		"firstboot/ring/layout", "TestRoutesOfAChain", false},
	{"the power of a chain's middle is cut", "firstboot/acceptance/drills.go",
		`ends := p.Others(p.Ring.Chain)`, `ends := p.Nodes`,
		"firstboot/acceptance", "TestWhoseTurnItIs", false},
	{"a clock that is behind passes the gate", "firstboot/gate/gate.go",
		`if sure := offset - t.doubt; sure > maxClockOffset {`, `if sure := t.offset - t.doubt; sure > maxClockOffset {`,
		"firstboot/gate", "TestGate", false},
	{"a node with guests passes the gate", "firstboot/gate/gate.go",
		`case f.Guests > 0 && f.Cluster == "":`, `case f.Guests > 0 && f.Cluster != "":`,
		"firstboot/gate", "TestGate", false},
	{"a node that has not done its steps passes the gate", "firstboot/gate/gate.go",
		`missingSteps(s.before, t.facts.Ready)`, `missingSteps(t.facts.Ready, s.before)`,
		"firstboot/gate", "TestGate", false},
	{"a cluster is founded before all nodes answer", "firstboot/cluster/decide.go",
		"case a.err != nil:\n\t\t\treturn waits(\"no cluster", "case a.err != nil && len(d.peers) < 2:\n\t\t\treturn waits(\"no cluster",
		"firstboot/cluster", "TestDecisions", false},
	{"an admission never ends", "firstboot/cluster/key.go",
		`a.Host.Clock.Now().Before(got.Until)`, `!got.Until.IsZero()`,
		matrix, "TestAdmissionEndsByItself", false},
	{"an admission is not used up", "firstboot/cluster/key.go",
		`if err := s.o.Host.Files.Remove(admitFile); err != nil`, `if err := error(nil); err != nil`,
		matrix, "TestReplacedNodeFindsItsWayIn", false},
	{"a used disk is erased without consent", "firstboot/storage/disks.go",
		`case slices.Contains(n.Wipe, c.disk.Serial) && c.disk.Serial != "":`, `case c.disk.Serial != "":`,
		"firstboot/storage", "TestWhichDisksAreTaken", false},
	{"a disk with somebody's volumes takes databases", "firstboot/blockdb/blockdb.go",
		`case others == 0 && disk.Used == lvm && clean && `, `case others == 0 && disk.Used == lvm && (clean || ours == 0) && `,
		"firstboot/blockdb", "TestWhichDisksTakeDatabases", false},
	{"a disk with this cluster's databases is erased", "firstboot/blockdb/blockdb.go",
		`case ours == 0 && disk.Serial != "" && slices.Contains(n.Wipe, disk.Serial):`, `case disk.Serial != "" && slices.Contains(n.Wipe, disk.Serial):`,
		"firstboot/blockdb", "TestWhichDisksTakeDatabases", false},
	{"a volume that has an owner is taken for unused", "firstboot/pve/lvm.go",
		`case cephPart.MatchString(v.Name) && !v.Tagged:`, `case cephPart.MatchString(v.Name):`,
		"firstboot/pve", "TestUnusedVolumes", false},
	{"the lock of corosync.conf stays when the work fails", "firstboot/pve/lock.go",
		`return errors.Join(err, files.Remove(confLock))`, `if err != nil {
		return err
	}
	return files.Remove(confLock)`,
		matrix, "TestTheConfigurationIsLocked", false},
	{"the disk of the system becomes an OSD", "firstboot/storage/disks.go",
		`case j.root(c.disk):`, `case j.root(c.disk) && c.disk.Serial == "":`,
		"firstboot/storage", "TestWhichDisksAreTaken", false},
	{"a pool that one copy can write to is left so", "firstboot/pve/cephstate.go",
		`p.MinSize == 2 &&`, `p.MinSize >= 1 &&`,
		"firstboot/pve", "TestAPoolThatIsSound", false},
	{"nobody tells that a pool has min_size 1", "firstboot/storage/observe.go",
		`{"min_size", fmt.Sprint(p.MinSize), "2"}, `, ``,
		matrix, "TestDayTwo", false},
	{"a power cut needs no consent", "firstboot/acceptance/cut.go",
		`if why := s.word.Refuses(); why != "" {`, `if why := s.word.Refuses(); why == s.o.Node {`,
		matrix, "TestNoPowerCutButByTheVictimsOwnConsent", false},
	{"a consent to a power cut is not used up", "firstboot/acceptance/consent/consent.go",
		`if err := f.Remove(typedFile); err != nil {
		return err
	}
	return f.Sync() //`, `return f.Sync() //`,
		matrix, "TestNoPowerCutButByTheVictimsOwnConsent", false},
	{"who was not told is asked nothing", "firstboot/acceptance/cut.go",
		`if err := s.word.Silence(ctx); err != nil {`, `if err := error(nil); err != nil {`,
		matrix, "TestSilenceCountsOnlyWhereAllWereTold", false},
	{"a no is heard on its own node alone", "firstboot/acceptance/consent/notice.go",
		`if no == "" {`, `if n.Name == o.Node {`,
		"firstboot/acceptance/consent", "TestAMinuteOfSilence", false},
	{"two upgrades run beside each other", "firstboot/upgrade/decide.go",
		`if s.rival != "" {`, `if s.rival == n {`,
		"firstboot/upgrade", "TestWhenANodeIsNotBegun", false},
	{"a node updates itself again and again", "firstboot/upgrade/fresh.go",
		`return age > lookAgain || age < 0`, `return age < lookAgain || age < 0`,
		"firstboot/upgrade", "TestANodeBringsItselfUpToDateOnce", false},
	{"versions are compared as text", "firstboot/apt/version.go",
		`cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))`, `cmp.Or(strings.Compare(x, y), 0)`,
		"firstboot/apt", "TestVersionsAreOrderedAsDpkgDoes", false},
	{"an OSD is removed before all is clean", "firstboot/replacedisk/decide.go",
		`case s.health.Clean < s.health.PGs:`, `case s.health.Clean > s.health.PGs:`,
		"firstboot/replacedisk", "TestNothingIsRemovedBeforeAllIsClean", false},
	{"a revoked key counts", "firstboot/trust/bindings/book.go",
		`return s.Key, ok && !s.Revoked`, `return s.Key, ok`,
		"firstboot/trust/bindings", "TestRevocationReachesAllAndHoldsUntilANewerVoucher", false},
	{"a keeper's key asks for all that its node may", "firstboot/trust/server.go",
		`return []Asker{Keeper}`, `return []Asker{Keeper, Node}`,
		"firstboot/trust", "TestAttacks", false},
	{"a keeper is believed what a builder answers", "firstboot/trust/client.go",
		`&& !slices.Contains(row.In, Settled) &&`, `&& slices.Contains(row.In, Settled) && row.Answers < 0 &&`,
		"firstboot/trust", "TestAttacks", false},
	{"a hang that is over is still told", "firstboot/keeper/felt.go",
		`if k.felt.Hung != "" || k.felt.At.After(t.At) {`, `if k.felt.Hung != "" {`,
		"firstboot/keeper", "TestAHangIsToldAsItIsNow", false},
	{"one admission lets two machines in", "firstboot/trust/bindings/change.go",
		`if err := b.files.Remove(AdmitFile); err != nil`, `if err := error(nil); err != nil`,
		"firstboot/trust/bindings", "TestAdmissionIsForOneMachineOnceAndNotForLong", false},
	{"a link to the status page is good twice", "firstboot/keeper/login.go",
		"end, ok := l.links[sum]\n\tdelete(l.links, sum)", "end, ok := l.links[sum]",
		"firstboot/keeper", "TestALoginIsForOneBrowserAndAWhile", false},
	{"a node hands over an order of another one", "firstboot/keeper/order.go",
		`if o.By != peer {`, `if o.By == "" {`,
		"firstboot/keeper", "TestAKeeperLaysAnOrderDown", false},
	{"the metrics of cable and detour are swapped", "firstboot/ring/layout/desired.go",
		`Link: d.Ports[direct[0]], Src: cfg.Addr, Metric: MetricDirect}`, `Link: d.Ports[direct[0]], Src: cfg.Addr, Metric: MetricDetour}`,
		"firstboot/ring/layout", "TestDesiredRoutes", false},
	{"a link that has just come back carries traffic at once", "firstboot/ring/link.go",
		`if l.alive || now.Sub(l.answers) < l.hold {`, `if l.alive {`,
		"firstboot/ring", "TestLinksLiveAndDieOnTheClock", false},
	{"an installed machine is installed again", "firstboot/preflight/decide.go",
		`if d.Mark == nil || f.Again {`, `if d.Mark == nil || !f.Again {`,
		"firstboot/preflight", "TestDecide", false},
	{"a disk that is too small is taken", "firstboot/preflight/decide.go",
		`case d.Bytes < least(n):`, `case d.Bytes < minBytes/2:`,
		"firstboot/preflight", "TestADiskMustHoldWhatThePlanWants", false},
	{"a step counts as done before it is flushed", "firstboot/engine/engine.go",
		`err = e.host.Files.Sync()`, `err = nil`,
		"firstboot/engine", "TestFlushesBeforeItBelievesThatAStepIsDone", false},
}

// sampleOfFaults is how many are planted outside of make figures.
const sampleOfFaults = 3

func TestPlantedFaultsAreFound(t *testing.T) {
	need.Slow(t)
	tried := faults
	if name := os.Getenv(pickedFault); name != "" {
		tried = nil
		for _, f := range faults {
			if strings.Contains(f.name, name) {
				tried = append(tried, f)
			}
		}
		if tried == nil {
			t.Fatalf("no fault has %q in its name", name)
		}
	} else if !whole() {
		tried = shuffled(t, faults)[:sampleOfFaults]
		t.Logf("a sample of %d of %d, seed %q; RINGBOOT_MATRIX=all plants all", len(tried), len(faults), os.Getenv("RINGBOOT_SEED"))
	}
	n := 0
	for _, f := range tried {
		t.Run(f.name, func(t *testing.T) {
			how := tests{pkg: f.pkg, run: f.test, long: f.long}
			sound(t, how)
			text := strings.Replace(read(t, f.file), f.old, f.new, 1)
			switch outcome, said := attempt(t, f.file, text, how); outcome {
			case found:
				n++
			case survived:
				t.Errorf("%s of %s does not find it: %s=%q go test ./rehearsal/mutation -run Planted\n%s", f.test, f.pkg, pickedFault, f.name, said)
			default:
				t.Errorf("%s with the fault does not compile:\n%s", f.file, said)
			}
		})
	}
	need.Figure(figureName("bench.faults_planted"), len(tried), "count")
	need.Figure(figureName("bench.faults_found"), n, "count")
}

// A row whose place has changed is corrected, not forgotten.
func TestEveryFaultHasItsPlace(t *testing.T) {
	names, rooms := map[string]bool{}, map[string]bool{}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("two faults are called %q", f.name)
		}
		names[f.name] = true
		rooms[strings.Split(f.file, "/")[1]] = true
		if n := strings.Count(read(t, f.file), f.old); n != 1 || f.old == f.new {
			t.Errorf("%q: its place occurs %d times in %s, once is wanted: %s", f.name, n, f.file, f.old)
		}
		if !strings.Contains(sourceOfTests(t, f.pkg), "func "+f.test+"(") {
			t.Errorf("%q: there is no %s in %s", f.name, f.test, f.pkg)
		}
	}
	for _, room := range strings.Fields("base management ringup gate cluster storage acceptance upgrade trust keeper ring preflight") {
		if !rooms[room] {
			t.Errorf("no fault is planted in %s", room)
		}
	}
}

// sourceOfTests are all tests of a package, as text.
func sourceOfTests(t *testing.T, pkg string) string {
	t.Helper()
	entries, err := os.ReadDir(root + "/" + pkg)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "_test.go") {
			all.WriteString(read(t, pkg+"/"+e.Name()))
		}
	}
	return all.String()
}
