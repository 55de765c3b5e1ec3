package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// What is wrong with the machines or the profile is said in a sentence, and once
// it is mended the storage is made.
func TestWhatKeepsTheStorageBack(t *testing.T) {
	mark := func(file string) func(c *tried) {
		return func(c *tried) {
			if err := c.World.Node("russell").Files().WriteFile("/var/lib/pvestandin/"+file, nil, 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	unmark := func(file string) func(c *tried) {
		return func(c *tried) {
			if err := c.World.Node("russell").Files().Remove("/var/lib/pvestandin/" + file); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	same := func(d []ceph.BlockDevice) []ceph.BlockDevice { return d }
	for name, k := range map[string]struct {
		spoil, mend func(c *tried)
		node        string
		state       step.State
		says        string
	}{
		"a disk is missing": {func(c *tried) { c.disks("russell", func(d []ceph.BlockDevice) []ceph.BlockDevice { return d[:1] }) }, func(c *tried) { c.disks("russell", same) },
			"frege", step.Waiting, "the pool waits for the disks of russell: russell lacks the disk OSD-russell of the plan: put it in, or name another one in the profile"},
		"no Internet": {mark("offline"), unmark("offline"), "frege", step.Waiting, "waits until Ceph is installed on russell"},
		"a deaf monitor": {mark("deaf-monitor"), unmark("deaf-monitor"),
			"russell", step.Waiting, "the monitor of russell runs and is not in quorum with the others: TCP ports 3300 and 6789 must be open on 10.203.4.0/24 between all nodes"},
		"a clock": {mark("clock-skew"), unmark("clock-skew"),
			"frege", step.Todo, `Ceph says "clock skew detected on mon.russell": the clocks differ by more than 0.05 s: chrony sets them, Ceph looks again every five minutes`},
		"too many placement groups": {func(c *tried) { c.Profile.Ceph.PGNum = 256 }, func(c *tried) { c.Profile.Ceph.PGNum = 32 }, "frege", step.Todo, "the pool vm is to be made"},
		"no watchdog": {func(c *tried) { _ = c.World.Node("russell").Files().Remove("/sys/class/watchdog/watchdog0/identity") }, nil,
			"russell", step.Stopped, "russell has no watchdog, so a node that hangs could not be fenced: load one with modprobe softdog, or name the hardware's in /etc/default/pve-ha-manager"},
		"an agent that is off": {func(c *tried) { c.Machine("russell").End() }, func(c *tried) { c.Machine("russell").Start() },
			"frege", step.Waiting, "Ceph is initialised once all nodes can be asked: russell does not answer (connect russell: connection refused)"},
	} {
		t.Run(name, func(t *testing.T) {
			c := clustered(t, trial.Profile())
			c.Start()
			k.spoil(c)
			which := "ceph"
			if name == "no watchdog" {
				which = "ha"
			}
			c.says(k.node, which, k.state, k.says)
			if k.mend == nil {
				return
			}
			if name == "too many placement groups" && !strings.Contains(c.Story("frege"), "ceph error: ceph.pg_num: 256 asks for more placement groups than these OSDs may carry: make ceph.pg_num smaller or add OSDs (pveceph pool create: ") {
				t.Errorf("it is not explained:\n%s", c.Story("frege"))
			}
			k.mend(c)
			c.done(2 * time.Hour)
		})
	}
}

// Nothing begins before the cluster is proven and the ring stands, and what the
// profile does not ask for is done.
func TestWhatStorageWaitsFor(t *testing.T) {
	p := trial.Profile()
	c := clustered(t, p)
	proof, ring := step.Wait("russell is off"), status.RingView{Verdict: "no cable to russell"}
	var fails error
	c.change = func(_ string, o *Options) {
		o.Proof, o.Ring = said{&proof, &fails}, func() status.RingView { return ring }
	}
	c.idle = true
	c.Start()
	both := func(node string, want string) {
		t.Helper()
		var got []string
		for _, s := range []step.Step{c.cephs[node], c.has[node]} {
			v, err := s.Check(t.Context())
			if err != nil {
				v.Reason = err.Error()
			}
			got = append(got, v.State.String()+": "+v.Reason)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\nnot: %s", strings.Join(got, "\n"), want)
		}
	}
	both("frege", "waiting: Ceph waits for the proof of the cluster: russell is off\nwaiting: high availability waits for the proof of the cluster: russell is off")
	if err := c.cephs["frege"].Apply(t.Context()); err != nil || len(c.Machine("frege").Log) > 0 {
		t.Errorf("%v, it did %q", err, c.Machine("frege").Log)
	}
	fails = errors.New("no answer")
	both("frege", "todo: no answer\ntodo: no answer")
	if err := c.cephs["frege"].Apply(t.Context()); !errors.Is(err, fails) {
		t.Errorf("%v", err)
	}
	fails, proof = nil, step.IsDone("")
	both("frege", "waiting: Ceph waits for the ring: no cable to russell\nwaiting: high availability waits for the ring: no cable to russell")
	ring.Whole, proof = true, step.Wait("")
	o := c.cephs["frege"].o
	o.Settled = true // the proof was given when the cluster was formed
	if _, ok, err := o.Gate(t.Context(), "Ceph"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	o.Ring = nil
	if v, ok, err := o.Gate(t.Context(), "Ceph"); ok || err != nil || v.Reason != "Ceph waits for the ring: nothing keeps the ring on this node" {
		t.Errorf("%v %v %v", v, ok, err)
	}
	proof = step.IsDone("")
	if _, err := c.Type("russell", "systemctl stop corosync"); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	if v, err := c.has["russell"].Check(t.Context()); err != nil || v.State != step.Waiting || v.Reason != "high availability waits for quorum" {
		t.Errorf("%+v %v", v, err)
	}
	p.Ceph.Enabled, p.HA.Enabled = false, false
	both("frege", "done: the profile does not ask for Ceph\ndone: the profile does not ask for high availability")
	for _, s := range []step.Observer{c.cephs["frege"], c.has["frege"]} {
		if got, err := s.Observe(t.Context()); got != nil || err != nil {
			t.Errorf("%v %v", got, err)
		}
	}
}

// said is a step that says what it is told to.
type said struct {
	v   *step.Verdict
	err *error
}

func (said) Name() string                                  { return "proof" }
func (s said) Check(context.Context) (step.Verdict, error) { return *s.v, *s.err }
func (said) Apply(context.Context) error                   { return nil }

// What becomes of the options and rules of high availability.
func TestTheOptionsOfHighAvailability(t *testing.T) {
	p := trial.Profile()
	p.HA.Affinity = []profiles.Affinity{{Name: "apart", Kind: "resource", Affinity: "negative", Resources: []string{"vm:100", "vm:101"}},
		{Name: "here", Kind: "node", Resources: []string{"vm:100"}, Nodes: []string{"frege", "russell"}}}
	c := stored(t, p)
	check := func(node string, state step.State, want string, risks ...string) step.Verdict {
		t.Helper()
		v, err := c.has[node].Check(t.Context())
		if err != nil || v.State != state || v.Reason != want || strings.Join(v.Risks, "; ") != strings.Join(risks, "; ") {
			t.Errorf("%v: %s %q %v\nnot %v: %s %q", v.State, v.Reason, v.Risks, err, state, want, risks)
		}
		return v
	}
	soft := "%s is fenced by the kernel's software watchdog: a kernel that hangs hard may not be reset by it"
	frege, russell := strings.ReplaceAll(soft, "%s", "frege"), strings.ReplaceAll(soft, "%s", "russell")
	waits := []string{"the affinity rule apart waits: vm:100 is not under high availability", "the affinity rule here waits: vm:100 is not under high availability"}
	done := "guests migrate over the ring and move away at shutdown, watchdog Software Watchdog"
	check("frege", step.Done, done, append(waits, frege)...)
	for _, line := range []string{"qm create 100 --name a --memory 128", "ha-manager add vm:100"} {
		if _, err := c.Type("frege", line); err != nil {
			t.Fatal(err)
		}
	}
	c.rest(time.Minute)
	waits[0] = "the affinity rule apart waits: vm:101 is not under high availability"
	v := check("frege", step.Todo, "the options of high availability are to be set", waits[0], frege)
	if len(v.Changes) != 1 || v.Changes[0].Object != "rule here" || v.Changes[0].Want != "node-affinity of vm:100" {
		t.Errorf("%+v", v.Changes)
	}
	check("russell", step.Waiting, "waits for frege to set the options of high availability", waits[0], russell)
	for _, n := range []string{"russell", "frege"} {
		if err := c.Do(func() error { return c.has[n].Apply(t.Context()) }); err != nil {
			t.Fatal(err)
		}
	}
	check("frege", step.Done, done, waits[0], frege)
	p.HA.ShutdownPolicy, p.HA.Migration = "freeze", "insecure"
	v = check("frege", step.Todo, "the options of high availability are to be set", waits[0], frege)
	if len(v.Changes) != 2 || v.Changes[0].Want != "type=insecure,network=10.203.4.0/24" || v.Changes[1].Have != "shutdown_policy=migrate" || v.Changes[1].Want != "shutdown_policy=freeze" {
		t.Errorf("%+v", v.Changes)
	}
	if got, err := c.has["frege"].Observe(t.Context()); err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if got, err := c.has["russell"].Observe(t.Context()); err != nil || got != nil {
		t.Errorf("%v %v", got, err)
	}
	c.has["frege"].o.Heir = func() bool { return true }
	check("frege", step.Done, "guests migrate over the ring and wait for the node at shutdown, watchdog Software Watchdog", waits[0], frege)
	if err := c.has["frege"].Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.golden("ha", c.Story("frege", "russell"))
	for policy, words := range map[string]string{"migrate": "move away", "freeze": "wait for the node", "failover": "are recovered elsewhere", "conditional": "are moved or wait, as the shutdown is meant"} {
		if got := PolicyWords(policy); got != words {
			t.Errorf("%s: %s", policy, got)
		}
	}
}

// What a hand has changed is told, each thing with what it is and was meant to be.
func TestWhatDiffersFromThePlanIsTold(t *testing.T) {
	p := full()
	p.HA.Affinity = nil
	p.Ceph.OSDMemory = "8"
	c := stored(t, p)
	observed := func(node string) string {
		t.Helper()
		got, err := c.cephs[node].Observe(t.Context())
		if err != nil {
			t.Error(err)
		}
		var out []string
		for _, d := range got {
			line := d.Object + ": " + d.Have + ", not " + d.Want
			if d.Beyond {
				line += ", beyond the plan"
			}
			out = append(out, line)
		}
		return strings.Join(out, "\n")
	}
	for _, n := range c.World.Names() {
		if got := observed(n); got != "" {
			t.Errorf("nothing was changed, and %s says: %s", n, got)
		}
	}
	for _, line := range []string{"ceph osd out 0", "pveceph pool create mine --size 3 --min_size 2 --pg_num 8", "pveceph pool set vm --min_size 1", "pveceph pool set vm --pg_autoscale_mode warn",
		"ceph config set osd/host:frege osd_memory_target 4294967296", "systemctl stop ceph-mgr@russell", "systemctl stop ceph-mon@wittgenstein"} {
		node := "frege"
		if _, on, ok := strings.Cut(line, "@"); ok {
			node = on
		}
		if _, err := c.Type(node, line); err != nil {
			t.Fatal(err)
		}
	}
	files := c.World.Node("frege").Files()
	conf, err := files.ReadFile("/etc/pve/storage.cfg")
	if err != nil {
		t.Fatal(err)
	}
	if err := files.WriteDirect("/etc/pve/storage.cfg", []byte(strings.Replace(string(conf), "rbd: vm", "rbd: another", 1))); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	var b strings.Builder
	for _, n := range c.World.Names() {
		b.WriteString("== " + n + "\n" + observed(n) + "\n")
	}
	c.golden("drift", b.String())
	c.World.PowerCut("russell", 0)
	c.World.PowerCut("wittgenstein", 0)
	c.rest(time.Minute)
	if got := observed("frege"); got != "Ceph: without an answer, not monitors in quorum" {
		t.Errorf("without the others: %s", got)
	}
}
