package matrix_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/cluster"
	"ringboot/firstboot/drift"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
	world "ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
)

// dayTwo is one thing that an owner does to a finished cluster, and what he is
// told of it. Nothing of ours ever changes it.
type dayTwo struct {
	name string
	node string // where it is done, and looked at
	run  string // a command, words separated by spaces
	do   func(d *settledBench)
	told string // a part of the sentence; "": the plan has no opinion
}

// edit replaces text in a file of a node's /etc/pve.
func edit(path, from, to string) func(*settledBench) {
	return func(d *settledBench) {
		files := d.w.Node("frege").Files()
		text, err := files.ReadFile(path)
		if err != nil || !strings.Contains(string(text), from) {
			d.t.Fatalf("%s has no %q (%v):\n%s", path, from, err, text)
		}
		if err := files.WriteDirect(path, []byte(strings.Replace(string(text), from, to, 1))); err != nil {
			d.t.Fatal(err)
		}
	}
}

// add appends to a file of /etc/pve.
func add(path, more string) func(*settledBench) {
	return func(d *settledBench) {
		files := d.w.Node("frege").Files()
		text, _ := files.ReadFile(path) // one that is not there is made
		if err := files.WriteDirect(path, append(text, more...)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func disk(node string, more ceph.BlockDevice) func(*settledBench) {
	return func(d *settledBench) {
		m := d.w.Node(node).Machine()
		ceph.SetDisks(m, append(ceph.Disks(m), more)...)
	}
}

// onOSD runs a command about the OSD of a node.
func onOSD(node, format string) func(*settledBench) {
	return func(d *settledBench) {
		for _, b := range ceph.Disks(d.w.Node(node).Machine()) {
			if b.OSD >= 0 {
				d.owner(node, fmt.Sprintf(format, b.OSD))
				return
			}
		}
		d.t.Fatalf("%s has no OSD", node)
	}
}

// daysTwo are the acts on the cluster, its storage and its high availability.
// Those on a node's own system and network are tried in nodetest.
func daysTwo() []dayTwo {
	const back = "puts it back; firstboot drift --keep "
	return []dayTwo{
		{name: "another console", node: "frege", run: "pvesh set /cluster/options --console html5"},
		{name: "insecure migration", node: "frege", run: "pvesh set /cluster/options --migration insecure,network=10.203.4.0/24",
			told: "differs from the plan: option migration is insecure,network=10.203.4.0/24, the plan says type=secure,network=10.203.4.0/24 (firstboot apply --only ha " + back + `"option migration" takes it over)`},
		{name: "another shutdown policy", node: "frege", run: "pvesh set /cluster/options --ha shutdown_policy=freeze", told: "option ha is shutdown_policy=freeze, the plan says shutdown_policy=migrate"},
		{name: "another keyboard", node: "frege", run: "pvesh set /cluster/options --keyboard fr", told: "keyboard is fr, the plan says de"},
		{name: "another sender of mail", node: "frege", run: "pvesh set /cluster/options --email_from it@example.org", told: "email_from is it@example.org, the plan says root@example.net"},
		{name: "notes of his own", node: "frege", run: "pvesh set /cluster/options --description mine"},
		{name: "another user", node: "frege", run: "pveum user add carol@pam", told: "has grown beyond the plan: users of Proxmox VE: also carol@pam"},
		{name: "a user taken away", node: "frege", do: edit("/etc/pve/user.cfg", "user:bob@pam:", "user:gone@pam:"), told: "user bob@pam is missing, the plan says present"},
		{name: "a right taken away", node: "frege", do: edit("/etc/pve/user.cfg", "acl:1:/:alice@pam:Administrator:", "acl:1:/:alice@pam:PVEAuditor:"), told: "acl / alice@pam is missing, the plan says Administrator"},
		{name: "one copy fewer must be there", node: "frege", run: "pveceph pool set vm --min_size 1", told: `"pool vm min_size" takes it over)`},
		{name: "two copies", node: "frege", run: "pveceph pool set vm --size 2", told: "pool vm size is 2, the plan says 3"},
		{name: "placement groups by hand", node: "frege", run: "pveceph pool set vm --pg_autoscale_mode warn", told: "pool vm pg_autoscale_mode is warn, the plan says on"},
		{name: "another pool", node: "frege", run: "pveceph pool create backup --pg_num 8", told: "has grown beyond the plan: pools: vm, backup, the plan says vm"},
		{name: "another storage", node: "frege", do: add("/etc/pve/storage.cfg", "\nnfs: nas\n\texport /srv\n\tpath /mnt/pve/nas\n\tserver 10.203.3.9\n\tcontent backup\n")},
		{name: "the storage entry taken away", node: "frege", do: edit("/etc/pve/storage.cfg", "rbd: vm\n", "rbd: guests\n"), told: "storage vm is gone, the plan says rbd"},
		{name: "an OSD stopped for maintenance", node: "russell", do: onOSD("russell", "systemctl stop ceph-osd@%d"), told: "is down, the plan says up and in (firstboot apply --only ceph " + back + "osd."},
		{name: "no data moves meanwhile", node: "russell", run: "ceph osd set noout"},
		{name: "an OSD taken out", node: "wittgenstein", do: onOSD("wittgenstein", "ceph osd out %d"), told: "is out, the plan says up and in"},
		{name: "an OSD of a dying disk destroyed", node: "wittgenstein", do: func(d *settledBench) {
			onOSD("wittgenstein", "systemctl stop ceph-osd@%d")(d)
			onOSD("wittgenstein", "pveceph osd destroy %d")(d)
		}, told: "is taken out of the cluster, the plan says up and in"},
		{name: "a manager stopped", node: "russell", run: "systemctl stop ceph-mgr@russell", told: "manager of russell is stopped, the plan says running"},
		{name: "a monitor stopped", node: "wittgenstein", run: "systemctl stop ceph-mon@wittgenstein", told: "monitor of wittgenstein is stopped, the plan says running"},
		{name: "a backup disk on USB", node: "frege", do: disk("frege", ceph.BlockDevice{Name: "sda", Serial: "BACKUP", Model: "Elements", Bytes: 4e12, Type: "hdd", OSD: -1})},
		{name: "a blank disk", node: "russell", do: disk("russell", ceph.BlockDevice{Name: "nvme3n1", Serial: "SPARE", Model: "Spare", Bytes: 2e12, Type: "nvme", OSD: -1})},
		{name: "a disk of the plan taken out", node: "russell", do: func(d *settledBench) {
			m := d.w.Node("russell").Machine()
			ceph.SetDisks(m, slices.DeleteFunc(ceph.Disks(m), func(b ceph.BlockDevice) bool { return b.Serial == "OSD-russell" })...)
		}, told: "disk OSD-russell is missing, the plan says an OSD"},
		{name: "the firewall switched on", node: "frege", do: add("/etc/pve/firewall/cluster.fw", "\n[OPTIONS]\n\nenable: 1\n")},
		{name: "our rules taken out of it", node: "frege", do: edit("/etc/pve/firewall/cluster.fw", "GROUP ringboot\n", ""), told: "firewall group ringboot is without GROUP ringboot, the plan says whole"},
		{name: "a rule of high availability", node: "frege", do: add("/etc/pve/ha/rules.cfg", "node-affinity: mine\n\tnodes frege\n\tresources vm:100\n")},
		{name: "a fourth node", node: "frege", do: func(d *settledBench) {
			edit("/etc/pve/corosync.conf", "nodelist {\n", "nodelist {\n  node {\n    name: dewey\n    nodeid: 4\n    quorum_votes: 1\n    ring0_addr: 10.203.3.14\n    ring1_addr: 10.203.4.14\n  }\n")(d)
		}, told: "has grown beyond the plan: members: dewey, frege, russell and wittgenstein, the plan says frege, russell and wittgenstein (nothing has to be done; firstboot drift --keep members takes it over)"},
	}
}

// settledBench is a finished cluster whose builders have left.
type settledBench struct {
	*bench
	lookers map[string]*looker
}

// looker is the hourly look of one node, with what it would change counted.
type looker struct {
	a     *simAgent
	life  int
	trace int
	last  []status.Drift
}

// settle forms a cluster to its report, marks the nodes, and ends the builders.
func settleBench(t testing.TB) *settledBench {
	p := storageProfile()
	p.Acceptance.PowerCut, p.Acceptance.Maintenance, p.Acceptance.Migration = profiles.ConsentNo, false, false
	b := newBench(t, 1, p)
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	return b.settle()
}

// settle marks the nodes of a cluster that has its report, and ends the builders.
func (b *bench) settle() *settledBench {
	d := &settledBench{b, map[string]*looker{}}
	for _, name := range b.w.Names() {
		b.agents[name].end()
		if err := settled.Write(b.w.Node(name).Files(), settled.Mark{Node: name, At: b.now(), Steps: map[string]string{"ceph": "", "ha": ""}}); err != nil {
			b.t.Fatal(err)
		}
	}
	b.runUntil(time.Minute, func() bool { return b.w.Sim().Living() == 0 })
	return d
}

// begin is one start of a program of ours on a settled node.
func (d *settledBench) begin(node string) *looker {
	a := d.agents[node]
	a.life++
	a.alive = true
	return &looker{a: a, life: a.life, trace: len(a.trace)}
}

// look is what the timer does on a node: it returns what differs.
func (l *looker) look(ctx context.Context) []status.Drift {
	o := l.a.options(l.life)
	proof := cluster.NewProof(o)
	so := storage.Options{Host: o.Host, Profile: l.a.profile, Node: l.a.name, Peers: o.Peers, Proof: proof, Settled: true}
	steps := []step.Step{cluster.New(o), proof, storage.NewCeph(so), storage.NewHA(so)}
	found, blind := drift.Look(ctx, steps, l.last, l.a.s.now())
	if len(blind) > 0 {
		l.a.s.t.Errorf("%s is blind: %q", l.a.name, blind)
	}
	l.last = found
	return found
}

// changed are the commands and writes of ours since the start.
func (l *looker) changed() []string { return l.a.trace[l.trace:] }

// operate runs something in the world's own time and waits for it.
func (d *settledBench) operate(f func()) {
	done := false
	d.w.Sim().Go("owner", func() { f(); done = true })
	d.runUntil(time.Hour, func() bool { return done })
	if !done {
		d.t.Fatalf("it does not end:\n%s", d.tail(40))
	}
}

// do does one act as the owner, with the real words of the tools.
func (d *settledBench) do(act dayTwo) {
	d.operate(func() {
		if act.do != nil {
			act.do(d)
			return
		}
		d.owner(act.node, act.run)
	})
}

// owner runs a command of the owner, in the world's time.
func (d *settledBench) owner(node, line string) {
	res, err := d.w.Exec(context.Background(), node, strings.Fields(line), nil, nil, time.Minute)
	if err != nil || res.Code != 0 {
		d.t.Errorf("%s: %s: %v %s %s", node, line, err, res.Stdout, res.Stderr)
	}
}

func texts(found []status.Drift) string {
	var out []string
	for _, f := range found {
		out = append(out, f.Text)
	}
	return strings.Join(out, "\n")
}

// TestDayTwo does everything that an owner does, one thing after the other, and
// looks for a day of hours after each: all stays as he made it, and he is told.
func TestDayTwo(t *testing.T) {
	d := settleBench(t)
	defer d.close()
	for _, name := range d.w.Names() {
		d.lookers[name] = d.begin(name)
	}
	d.operate(func() {
		for _, name := range d.w.Names() {
			if found := d.lookers[name].look(t.Context()); len(found) > 0 {
				t.Errorf("%s: nothing was done and it says:\n%s", name, texts(found))
			}
		}
	})
	var undone, untold int
	before := map[string]bool{}
	for _, act := range daysTwo() {
		d.do(act)
		var said []status.Drift
		d.operate(func() { said = d.lookers[act.node].look(t.Context()) })
		if act.told != "" && !strings.Contains(texts(said), act.told) {
			untold++
			t.Errorf("%s: nobody is told %q:\n%s", act.name, act.told, texts(said))
		}
		if strings.Contains(texts(said), "delnode") || strings.Contains(texts(said), "destroy") {
			t.Errorf("%s: advice that hurts:\n%s", act.name, texts(said))
		}
		for _, s := range said {
			before[act.node+s.Object+s.Have] = true
		}
	}
	d.runUntil(24*time.Hour, func() bool { return false })
	d.operate(func() {
		for _, act := range daysTwo() {
			if act.told == "" {
				continue
			}
			if !strings.Contains(texts(d.lookers[act.node].look(t.Context())), act.told) && !overtaken(act) {
				undone++
				t.Errorf("%s: a day later it is not so any more", act.name)
			}
		}
	})
	commands := 0
	for name, l := range d.lookers {
		if did := l.changed(); len(did) > 0 {
			commands += len(did)
			t.Errorf("%s changed something: %q", name, did)
		}
	}
	need.Figure("daytwo.acts", len(daysTwo())+len(nodeActs()), "acts")
	need.Figure("daytwo.undone", undone, "acts")
	need.Figure("daytwo.untold", untold, "acts")
	need.Figure("daytwo.commands_after_settling", commands, "commands")
}

// overtaken are acts of which a later one of the table changed the object again.
func overtaken(act dayTwo) bool {
	return act.name == "an OSD stopped for maintenance" || act.name == "an OSD taken out"
}

// TestWhatWasTakenOverIsNotToldAgain, unless it changes once more.
func TestWhatWasTakenOverIsNotToldAgain(t *testing.T) {
	d := settleBench(t)
	defer d.close()
	l := d.begin("frege")
	files := d.w.Node("frege").Files()
	d.do(dayTwo{node: "frege", run: "pveceph pool set vm --min_size 1"})
	d.operate(func() {
		found := l.look(t.Context())
		if err := drift.Take(files, found, "pool vm min_size", d.now()); err != nil {
			t.Error(err)
		}
		if left, err := drift.Untaken(files, found); err != nil || len(left) != 0 {
			t.Errorf("told again: %s %v", texts(left), err)
		}
		if err := drift.Take(files, found, "pool vm", d.now()); err == nil || err.Error() != `"pool vm" differs not from the plan; what does: pool vm min_size` {
			t.Error(err)
		}
	})
	d.do(dayTwo{node: "frege", run: "pveceph pool set vm --min_size 3"})
	d.operate(func() {
		if left, err := drift.Untaken(files, l.look(t.Context())); err != nil || len(left) != 1 || left[0].Have != "3" {
			t.Errorf("it changed once more, and is told: %s %v", texts(left), err)
		}
	})
}

// starts reports whether a unit's conditions let it start, as systemd reads them.
func starts(t testing.TB, unit string, there func(string) bool) bool {
	text, err := os.ReadFile("../../imagebuilder/deb/files/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	all, anyOf, triggers := true, false, false
	for line := range strings.Lines(string(text)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "ConditionPathExists=")
		if !ok {
			continue
		}
		path, trigger := strings.CutPrefix(path, "|")
		path, not := strings.CutPrefix(path, "!")
		holds := there(path) != not
		if trigger {
			triggers, anyOf = true, anyOf || holds
			continue
		}
		all = all && holds
	}
	return all && (anyOf || !triggers)
}

// TestASettledNodeIsLeftAlone cuts the power, restarts and kills 200 times: the
// builder never starts again, and no command that changes anything is run.
func TestASettledNodeIsLeftAlone(t *testing.T) {
	d := settleBench(t)
	defer d.close()
	names := d.w.Names()
	there := func(node string) func(string) bool {
		return func(path string) bool {
			_, err := d.w.Node(node).Files().Lstat(path)
			return err == nil
		}
	}
	commands := 0
	for i := range 200 {
		node := names[i%len(names)]
		mode := []world.CutMode{world.Lost, world.Torn, world.Kept}[i%3]
		if i%2 == 0 { // the others are kills of what runs, which is nothing
			d.w.PowerCut(node, mode)
			d.runUntil(20*time.Second, func() bool { return false })
			d.operate(func() { d.w.Boot(node, nil) })
			d.runUntil(40*time.Second, func() bool { return false })
		}
		if starts(t, "ringboot.service", there(node)) {
			t.Fatalf("%d: the builder starts on the settled %s", i, node)
		}
		if !starts(t, "ringboot-keeper.service", there(node)) || !starts(t, "ringboot-drift.service", there(node)) {
			t.Fatalf("%d: nothing keeps the ring of %s", i, node)
		}
		l := d.begin(node)
		d.operate(func() { l.look(t.Context()) })
		if did := l.changed(); len(did) > 0 {
			commands += len(did)
			t.Errorf("%d: %s changed something: %q", i, node, did)
		}
	}
	need.Figure("settled.starts", 200, "starts")
	need.Figure("settled.commands", commands, "commands")
	if err := d.whole(); err != nil {
		t.Error(err)
	}
}
