package rehearsal

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/discovery"
	"ringboot/discovery/grant"
	"ringboot/firstboot/preflight"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/profiles/medium"
)

func TestChangedBytesAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64*markSize); err != nil {
		t.Fatal(err)
	}
	if n, err := changed(path, "S1", false); n != 0 || err != nil {
		t.Errorf("a blank disk has %d bytes written, %v", n, err)
	}
	if err := mark(path, "S1"); err != nil {
		t.Fatal(err)
	}
	if n, err := changed(path, "S1", true); n != 0 || err != nil {
		t.Errorf("a marked disk has %d bytes changed, %v", n, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, at := range []int64{0, 5*markSize + 17, 63*markSize + 3} {
		b := make([]byte, 1)
		if _, err := file.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{b[0] ^ 0xff}, at); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := changed(path, "S1", true); n != 3 || err != nil {
		t.Errorf("three bytes were changed, %d were counted, %v", n, err)
	}
}

func TestWatchReadsTheConsole(t *testing.T) {
	w := newWatch([]string{"frege"}, nil)
	for _, line := range []string{
		"medium: found /dev/sdc",
		"installer:   10.8 erasing /dev/sda serial ROOT1",
		"[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=UUID=07fb ro console=ttyS0",
		"[   40.1] firstboot[392]: step 4 of 11, ring: no cable between frege and russell: plug it in",
	} {
		w.line("frege", line)
	}
	v := w.all()[0]
	if v.Installs != 1 || v.Starts != 1 || v.Stage != "ring" || v.Step != 4 || v.Steps != 11 || v.Waiting != "no cable between frege and russell: plug it in" {
		t.Errorf("seen as %+v", v)
	}
	if v.Past("ring") || !v.Past("management") {
		t.Error("the ring is under way, and management is done")
	}
	w.line("frege", "[   90.0] firstboot[392]: all 11 steps are done")
	if v := w.all()[0]; !v.Past("report") {
		t.Errorf("a node that is done is seen as %+v", v)
	}
	w.line("frege", "installer:    0.9 installation failed: look at the devices: no disks match filter map[A:B]")
	if got := w.failure["frege"]; got != "installation failed: look at the devices: no disks match filter map[A:B]" {
		t.Errorf("the failure is %q", got)
	}
}

// The drill with wrong disks goes by what preflight refuses: here it judges the
// drill's three machines, and its screen is read as from their consoles, with a
// line of the kernel's in it.
func TestWatchReadsWhatPreflightRefuses(t *testing.T) {
	plan, err := Adapt(profiles.Default(), true)
	if err != nil {
		t.Fatal(err)
	}
	nodes := plan.Profile.Nodes
	p := medium.Plan{Kind: medium.KindOne}
	for i, n := range nodes {
		p.Nodes = append(p.Nodes, medium.Target{Name: n.Name, Root: n.RootDisk, Others: n.OSDDisks})
		for _, nic := range plan.Machines[i].NICs {
			p.Nodes[i].MACs = append(p.Nodes[i].MACs, nic.MAC)
		}
	}
	named := namedWrong([]string{nodes[0].Name, nodes[1].Name, nodes[2].Name})
	for i, stick := range []int{1, 0, 2} {
		f := preflight.Facts{Writable: true, MACs: p.Nodes[i].MACs}
		for j, d := range plan.Machines[i].Disks {
			serial := d.Serial
			if i == 2 && j == 0 {
				serial = "RBSOMETHINGELSE"
			}
			f.Disks = append(f.Disks, preflight.Sighting{Name: "sd" + string(rune('a'+j)), Bytes: d.Bytes, Holds: []string{"marks"}, Properties: map[string]string{"ID_SERIAL_SHORT": serial}})
		}
		p.Node = nodes[stick].Name
		w, node := newWatch([]string{nodes[i].Name}, nil), nodes[i].Name
		screen := strings.Split(preflight.Screen(p, f, preflight.Decide(p, f), 80), "\n")
		at := slices.IndexFunc(screen, func(l string) bool { return strings.HasPrefix(l, "STOPPED") }) + 1
		for _, line := range slices.Insert(screen, at, "[    9.1] usb 1-1: new device") {
			w.line(node, line)
		}
		if got := w.failure[node]; got != "" {
			t.Errorf("%s: before the sentence ends the failure is %q", node, got)
		}
		w.line(node, "Press Enter to switch off.")
		if got := w.failure[node]; !strings.HasPrefix(got, "STOPPED, nothing was erased: "+named[node]) || strings.Contains(got, "usb") {
			t.Errorf("%s: the failure is %q", node, got)
		}
	}
}

func TestTimeline(t *testing.T) {
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	got := timeline(map[string]map[string]time.Duration{
		"a": {StageBoot: 0, StageInstall: s(10), StageStart: s(60), "identity": s(90), "ring": s(95)},
		"b": {StageBoot: 0, StageInstall: s(15), StageStart: s(70), "identity": s(85), "ring": s(99)},
	})
	want := []StageTime{{StageBoot, s(15), s(15)}, {StageInstall, s(55), s(70)}, {StageStart, s(20), s(90)}, {"identity", s(9), s(99)}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAKernelThatTheEmulatorBrokeIsStartedAgain(t *testing.T) {
	w := newWatch([]string{"frege"}, nil)
	const panics = "[    0.3] Kernel panic - not syncing: IO-APIC + timer doesn't work!  Boot with apic=debug"
	for i := range maxBroken {
		if !w.line("frege", panics) {
			t.Fatalf("panic %d: no reset", i+1)
		}
	}
	if v := w.all()[0]; v.Stage != StageBoot || w.failure["frege"] != "" {
		t.Errorf("seen as %+v, %q", v, w.failure["frege"])
	}
	if w.line("frege", panics) || w.failure["frege"] == "" {
		t.Error("a machine that never gets past it is reset for ever")
	}
	w = newWatch([]string{"frege"}, nil)
	if w.line("frege", "Kernel panic - not syncing: VFS: Unable to mount root fs") || w.failure["frege"] == "" {
		t.Error("another panic is no fault of the emulator's")
	}
}

func TestOldMachinesAreNotTouchedUnasked(t *testing.T) {
	p := paths(t.TempDir())
	machines := []Hardware{{Node: "frege", Disks: []DiskSpec{{}, {}}}}
	mine := filepath.Join(string(p), "holiday.img")
	for _, path := range []string{p.image("frege"), p.disk("frege", 1), filepath.Join(p.node("frege"), "vars.fd"), filepath.Join(p.keyring(), "ca.pem"), mine} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Refuse.settle(p, machines); err == nil || err.Error() != "machines of an earlier rehearsal are there: "+string(p) {
		t.Errorf("refused with %v", err)
	}
	if err := Resume.settle(p, machines); err != nil || !exists(p.disk("frege", 1)) {
		t.Errorf("resuming: %v", err)
	}
	if err := Replace.settle(p, machines); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{p.image("frege"): false, p.disk("frege", 1): false, filepath.Join(p.node("frege"), "vars.fd"): false, p.keyring(): false, mine: true} {
		if exists(path) != want {
			t.Errorf("%s is there: %t", path, !want)
		}
	}
	// Firmware that knows of disks that are gone is no new machine.
	vars := filepath.Join(p.node("frege"), "vars.fd")
	if err := os.WriteFile(vars, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Refuse.settle(p, machines); err != nil || exists(vars) {
		t.Errorf("with the disks cleared away: %v, firmware's variables there: %t", err, exists(vars))
	}
}

func TestPictureHasAClockAndAllMachines(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	views := []View{
		{Node: "frege", Stage: StageInstall, Since: at(30)},
		{Node: "wittgenstein", Stage: "ring", Since: at(100), Waiting: "no cable between frege and russell: plug it in"},
		{Node: "russell", Stage: stageFormed, Since: at(120)},
	}
	events := []Event{{At: 90 * time.Second, Node: "frege", Text: "installer: unpack"}}
	got := picture(views, events, start, at(125), 80, 15*time.Minute)
	want := "2:05 since power-on; a trip here takes about 15:00\n" +
		"frege        #.............  1/14 install      1:35\n" +
		"wittgenstein ######........  6/14 ring         0:25 no cable between frege and \u2026\n" +
		"russell      ############## 14/14 formed       0:05\n" +
		"    1:30 frege        installer: unpack\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// helloOf is a frame in which a node shows its own key on a cable of the ring.
func helloOf(t *testing.T, node string, word []byte) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]any{"node": node, "own": word})
	if err != nil {
		t.Fatal(err)
	}
	const ethernet, ip, udp, header = 14, 20, 8, 8
	frame := make([]byte, ethernet+ip+udp+header)
	frame[12], frame[ethernet], frame[ethernet+9] = 8, 0x45, 17
	binary.BigEndian.PutUint16(frame[ethernet+2:], uint16(ip+udp+header+len(body)))
	binary.BigEndian.PutUint16(frame[ethernet+ip+2:], 7343)
	binary.BigEndian.PutUint16(frame[ethernet+ip+4:], uint16(udp+header+len(body)))
	copy(frame[ethernet+ip+udp:], "RBRH\x01\x01")
	binary.BigEndian.PutUint16(frame[ethernet+ip+udp+6:], uint16(len(body)))
	return append(frame, body...)
}

// A node signs its records with the key that it made, or by its keeper's. The
// rehearsal has seen neither, and hears the node all the same; but nobody else
// in its name.
func TestANodeIsHeardByTheKeyThatItMade(t *testing.T) {
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.Issue("frege")
	if err != nil {
		t.Fatal(err)
	}
	voucher, err := trust.ParseIdentity(pki.CA, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	identity := func(enrolled interface {
		Identity() (*trust.Identity, error)
	}, err error) *trust.Identity {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		id, err := enrolled.Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	node, thief := identity(voucher.Enrol()), identity(voucher.Enrol())
	keeper := identity(node.Appoint())
	for _, c := range []struct {
		name     string
		signs    *trust.Identity
		word     []byte
		heard    bool
		showedBy string
	}{
		{"the node", node, node.Word, true, "frege"},
		{"its keeper", keeper, keeper.Word, true, "frege"},
		{"its stick", voucher, node.Word, false, "frege"},
		{"another machine", thief, node.Word, false, "frege"},
		{"a key that was never shown", node, nil, false, "frege"},
		{"a key that no voucher signed", node, append(slices.Clone(node.Word[:ed25519.PublicKeySize]), thief.Word[ed25519.PublicKeySize:]...), false, "frege"},
		{"a key of another node", node, node.Word, false, "russell"},
	} {
		w := newWatch([]string{"frege", "russell"}, nil)
		if err := w.trust("frege", cert); err != nil {
			t.Fatal(err)
		}
		w.hello(helloOf(t, c.showedBy, c.word))
		texts, err := discovery.Record{ClusterID: voucher.ClusterID, Node: "frege", Boot: "5f2c11d0", Run: "0a", Sequence: 1, Phase: "ring", Step: 4, Steps: 11,
			Port: 8643, Fingerprint: node.Fingerprint(), Grant: c.signs.Grants[grant.Record]}.Sign(c.signs.Key)
		if err != nil {
			t.Fatal(err)
		}
		w.announced(texts)
		if v := w.all()[0]; (v.Record != nil) != c.heard || c.heard && v.Stage != "ring" {
			t.Errorf("%s: seen as %+v", c.name, v)
		}
	}
}
