package ringup

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
)

// allTools also knows the programs of a ring on a switch and of FRR, and whether
// somebody flushed all tables.
type allTools struct {
	ringTools
	flushed *bool
	limits  map[string]time.Duration
}

func (c allTools) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	c.limits[strings.Join(cmd.Argv, " ")] = cmd.Timeout
	switch line := strings.Join(cmd.Argv, " "); {
	case strings.HasPrefix(line, "nft list"):
		if *c.flushed {
			return host.Result{Code: 1}, nil
		}
	case strings.HasPrefix(line, "nft -f"):
		*c.flushed = false
	case cmd.Argv[0] == "ifup":
		c.Program("/sys/class/net/"+cmd.Argv[len(cmd.Argv)-1]+"/mtu", "9000\n")
	default:
		return c.ringTools.Run(ctx, cmd)
	}
	return host.Result{}, nil
}

// jobber is a machine with all tools.
type jobber struct {
	*crash.Machine
	flushed bool
	limits  map[string]time.Duration // of the programs that were run
}

func newJobber() *jobber {
	clock := crash.NewClock(time.Now())
	d := disk.New(clock.Now)
	j := &jobber{limits: map[string]time.Duration{}}
	j.Machine = crash.New(d, allTools{ringTools{d}, &j.flushed, j.limits}, clock)
	d.Program(layout.FRRDaemonsFile, "fabricd=no\n")
	return j
}

// onSwitch is frege's place on a switch.
func onSwitch(t *testing.T, change func(*profiles.Profile)) layout.Config {
	t.Helper()
	p := &profiles.Profile{Ring: profiles.Ring{Transport: profiles.TransportSwitch, MTU: 9000, Routing: "static", Prefix: netip.MustParsePrefix("10.203.4.0/24"),
		Ports: []profiles.RingPort{{Name: "sfp0", MAC: "58:47:ca:00:00:01"}, {Name: "sfp1", MAC: "58:47:ca:00:00:02"}}}}
	for i, n := range []string{"frege", "russell", "wittgenstein"} {
		p.Nodes = append(p.Nodes, profiles.Node{Name: n, Ring: netip.AddrFrom4([4]byte{10, 203, 4, byte(11 + i)})})
	}
	if change != nil {
		change(p)
	}
	cfg, err := layout.ConfigOf(p, "frege")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// made is what is written and run until nothing is left, and what was announced before.
func made(t *testing.T, j *jobber, cfg layout.Config) (announced, log []string) {
	t.Helper()
	j.Arm(crash.Cut{})
	s := New(j.Host(), cfg, &fakeKeeper{peers: []string{"russell", "wittgenstein"}, ready: true, view: status.RingView{Verdict: "no cable"}})
	v, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.State == step.Todo && v.Reason != "the ring's configuration is not written yet" {
		t.Errorf("%s", v.Reason)
	}
	for _, c := range v.Changes {
		announced = append(announced, strings.Join(strings.Fields(c.Object+": "+c.Have+" "+c.Want), " "))
	}
	if err := converge(t, s); err != nil {
		t.Fatal(err)
	}
	return announced, slices.DeleteFunc(j.Log(), func(l string) bool { return strings.HasPrefix(l, "write /run/") || l == "sync" })
}

// What is written and run for each kind of ring, in that order, and announced so.
func TestWhatIsMadeOfEachRing(t *testing.T) {
	links := []string{"/etc/systemd/network/00-ringboot-en05.link", "/etc/systemd/network/00-ringboot-en06.link"}
	sfp := []string{"/etc/systemd/network/00-ringboot-sfp0.link", "/etc/systemd/network/00-ringboot-sfp1.link"}
	cables := slices.Concat(links, []string{layout.ModulesFile, layout.SysctlFile, layout.StanzaFile, layout.FilterFile, layout.UdevFile, layout.FloorUnitFile})
	reload := []string{"run udevadm control --reload", "run systemctl daemon-reload"}
	trigger := []string{"run udevadm trigger --action=change --subsystem-match=thunderbolt", "run udevadm trigger --action=change --subsystem-match=pci --property-match=DRIVER=thunderbolt"}
	filter := []string{"run nft -f " + layout.FilterFile}
	initrd := []string{"run update-initramfs -u -k all", "write " + ringInitrdMark}
	frr := []string{layout.FRRDaemonsFile, layout.FRRFile, layout.FRRLocalFile}
	write := func(paths ...string) (out []string) {
		for _, p := range paths {
			out = append(out, "write "+p)
		}
		return out
	}
	absent := func(paths ...string) (out []string) {
		for _, p := range paths {
			out = append(out, p+": absent written")
		}
		return out
	}
	modules := []string{"module thunderbolt: loaded", "module thunderbolt_net: loaded"}
	floor := []string{"udev and systemd: reloaded", "the ring's own filter: loaded"}
	static, fabric := ringOf(t, "static"), ringOf(t, layout.RoutingOpenFabric)
	held := static
	held.KeepHost = true
	lent := onSwitch(t, nil)
	lent.Segment.Lent = true
	for name, c := range map[string]struct {
		cfg            layout.Config
		announced, log []string
	}{
		"cables": {static, slices.Concat(absent(cables...), modules, floor, []string{"initramfs: holds the names of the ports"}),
			slices.Concat(write(cables...), []string{"run modprobe thunderbolt", "run modprobe thunderbolt_net"}, reload, trigger, filter, initrd)},
		"controllers that are not reset": {held, slices.Concat(absent(cables[:3]...), absent(layout.ModuleFile), absent(cables[3:]...), modules, floor, []string{"initramfs: holds the names of the ports"}),
			slices.Concat(write(cables[:3]...), write(layout.ModuleFile), write(cables[3:]...), []string{"run modprobe thunderbolt", "run modprobe thunderbolt_net"}, reload, trigger, filter, initrd)},
		"OpenFabric": {fabric, slices.Concat(absent(cables...), modules, floor, []string{"initramfs: holds the names of the ports", frr[0] + ": other content written"}, absent(frr[1:]...), []string{"frr: enabled and restarted"}),
			slices.Concat(write(cables...), []string{"run modprobe thunderbolt", "run modprobe thunderbolt_net"}, reload, trigger, filter, initrd, write(frr...), []string{"run systemctl enable frr", "run systemctl restart frr"})},
		"a switch": {onSwitch(t, nil), slices.Concat(absent(sfp...), absent(layout.StanzaFile, layout.FilterFile, layout.UdevFile, layout.FloorUnitFile), floor, []string{"network stor0: up", "initramfs: holds the names of the ports"}),
			slices.Concat(write(sfp...), write(layout.StanzaFile, layout.FilterFile, layout.UdevFile, layout.FloorUnitFile), reload, filter, []string{"run ifup --force sfp0 sfp1 stor0"}, initrd)},
		"another's device": {lent, nil, nil},
		"a port that has its name already": {onSwitch(t, func(p *profiles.Profile) { p.Ring.Ports = []profiles.RingPort{{Name: "ens1", Interface: "ens1"}} }),
			slices.Concat(absent(layout.StanzaFile, layout.FilterFile, layout.UdevFile, layout.FloorUnitFile), floor, []string{"network ens1: up"}),
			slices.Concat(write(layout.StanzaFile, layout.FilterFile, layout.UdevFile, layout.FloorUnitFile), reload, filter, []string{"run ifup --force ens1"})},
	} {
		j := newJobber()
		announced, log := made(t, j, c.cfg)
		if d := cmp.Diff(c.announced, announced); d != "" {
			t.Errorf("%s is announced otherwise: %s", name, d)
		}
		if d := cmp.Diff(c.log, log); d != "" {
			t.Errorf("%s is made otherwise: %s", name, d)
		}
		for line, limit := range j.limits {
			want := time.Minute
			switch line { // what takes longer on a small machine
			case "update-initramfs -u -k all":
				want = 10 * time.Minute
			case "systemctl restart frr":
				want = 2 * time.Minute
			}
			if limit != want {
				t.Errorf("%s: %s is ended after %s", name, line, limit)
			}
		}
		if announced, log := made(t, j, c.cfg); len(announced)+len(log) > 0 {
			t.Errorf("%s a second time: %q %q", name, announced, log)
		}
	}
}

// What is run again, and what is not, when something is another than it was.
func TestWhatIsRunAgain(t *testing.T) {
	static, fabric, segment := ringOf(t, "static"), ringOf(t, layout.RoutingOpenFabric), onSwitch(t, nil)
	one := func(name string) layout.Config {
		return onSwitch(t, func(p *profiles.Profile) { p.Ring.Ports = []profiles.RingPort{{Name: name, Interface: name}} })
	}
	third := fabric
	third.Node = "wittgenstein"
	named, larger, other, renumbered := static, fabric, segment, static
	named.Ports = slices.Clone(static.Ports)
	named.Ports[1].Path = "pci-0000:00:07.0"
	larger.MTU, other.MTU = 1500, 1500
	renumbered.Addr = netip.MustParseAddr("10.203.4.99")
	const link1 = "/etc/systemd/network/00-ringboot-en06.link"
	triggers := []string{"run udevadm trigger --action=change --subsystem-match=thunderbolt", "run udevadm trigger --action=change --subsystem-match=pci --property-match=DRIVER=thunderbolt"}
	for name, c := range map[string]struct {
		before, cfg layout.Config
		spoil       func(j *jobber)
		want        []string
	}{
		"all tables were flushed": {static, static, func(j *jobber) { j.flushed = true }, []string{"run nft -f " + layout.FilterFile}},
		"a module is gone":        {static, static, func(j *jobber) { j.RemoveAll("/sys/module/thunderbolt_net") }, []string{"run modprobe thunderbolt_net"}},
		"the owner wrote into a file": {static, static, func(j *jobber) { j.Program(layout.SysctlFile, "net.ipv4.ip_forward = 0\n") },
			[]string{"write " + layout.SysctlFile}},
		"the device is gone": {segment, segment, func(j *jobber) { j.RemoveAll("/sys/class/net/stor0") }, []string{"run ifup --force sfp0 sfp1 stor0"}},
		"a restart":          {static, static, func(j *jobber) { j.RemoveAll("/run") }, slices.Concat([]string{"run udevadm control --reload", "run systemctl daemon-reload"}, triggers, []string{"run nft -f " + layout.FilterFile})},
		"another path of a port": {static, named, nil, slices.Concat([]string{"write " + link1, "run udevadm control --reload", "run systemctl daemon-reload"}, triggers,
			[]string{"run update-initramfs -u -k all", "write " + ringInitrdMark})},
		"another address": {static, renumbered, nil, []string{"write " + layout.StanzaFile, "write " + layout.FilterFile, "run nft -f " + layout.FilterFile}},
		"another size on a switch": {segment, other, nil, []string{"write /etc/systemd/network/00-ringboot-sfp0.link", "write /etc/systemd/network/00-ringboot-sfp1.link", "write " + layout.StanzaFile,
			"run udevadm control --reload", "run systemctl daemon-reload", "run ifup --force sfp0 sfp1 stor0", "run update-initramfs -u -k all", "write " + ringInitrdMark}},
		"another port on a switch": {one("ens1"), one("ens2"), nil, []string{"write " + layout.StanzaFile, "write " + layout.FilterFile, "write " + layout.UdevFile,
			"run udevadm control --reload", "run systemctl daemon-reload", "run nft -f " + layout.FilterFile, "run ifup --force ens2"}},
		"another number in the fabric": {fabric, third, nil, []string{"write " + layout.FRRFile, "write " + layout.FRRLocalFile, "run systemctl enable frr", "run systemctl restart frr"}},
		"SDN owns FRR's main file": {fabric, fabric, func(j *jobber) {
			j.Program(pve.SDNConf, "{}")
			j.Program(layout.FRRFile, "! by SDN\n")
		}, nil},
		"SDN owns it and the local one is another": {fabric, fabric, func(j *jobber) {
			j.Program(pve.SDNConf, "{}")
			j.Program(layout.FRRLocalFile, "!\n")
		}, []string{"write " + layout.FRRLocalFile}},
		"without SDN FRR's main file is ours": {fabric, fabric, func(j *jobber) { j.Program(layout.FRRFile, "! by hand\n") }, []string{"write " + layout.FRRFile}},
	} {
		j := newJobber()
		made(t, j, c.before)
		if c.spoil != nil {
			c.spoil(j)
		}
		if _, log := made(t, j, c.cfg); !slices.Equal(log, c.want) {
			t.Errorf("%s: %s", name, cmp.Diff(c.want, log))
		}
	}
}

// Whatever fails is told, and nothing is written or run after it; without a
// filter of the kernel's that can be listed it is loaded again.
func TestNothingThatFailsIsPassedOver(t *testing.T) {
	for name, cfg := range map[string]layout.Config{"cables": ringOf(t, layout.RoutingOpenFabric), "switch": onSwitch(t, nil)} {
		var keeper *fakeKeeper
		asked := 0
		for r := range crash.Refusals(func() host.Host { return newJobber().Host() }, func(h host.Host) error {
			keeper = &fakeKeeper{peers: []string{"russell", "wittgenstein"}}
			s := New(h, cfg, keeper)
			if err := s.Apply(t.Context()); err != nil {
				return err
			}
			_, err := s.Check(t.Context())
			return err
		}) {
			asked++
			may := strings.HasPrefix(r.What, "look at ") || strings.HasPrefix(r.What, "read /run/") || r.What == "read "+ringInitrdMark || strings.Contains(r.What, "nft list")
			if may {
				continue
			}
			if r.Err == nil || !strings.Contains(r.Err.Error(), crash.ErrRefused.Error()) {
				t.Errorf("%s: %s was refused, and the step says %v", name, r.What, r.Err)
			}
			// What udev and systemd are asked for, and FRR, is asked for as a whole.
			after := slices.DeleteFunc(r.After, func(l string) bool {
				return strings.HasPrefix(l, "run udevadm") || l == "run systemctl daemon-reload" || l == "run systemctl restart frr"
			})
			if len(after) > 0 || keeper.kicks > 0 && !strings.HasPrefix(r.What, "read ") {
				t.Errorf("%s: %s was refused, and all the same: %q, %d kicks", name, r.What, after, keeper.kicks)
			}
		}
		if asked < 30 {
			t.Errorf("%s: only %d things were asked", name, asked)
		}
	}
}

// What a program says of its failure is said, with what was run.
func TestAProgramThatFailsIsNamed(t *testing.T) {
	j := newJobber()
	s := New(j.Host(), ringOf(t, "static"), &fakeKeeper{})
	if err := s.run(t.Context(), time.Minute, "brctl", "show"); err == nil || err.Error() != "brctl show ended with 127: brctl: not found" {
		t.Errorf("%v", err)
	}
	j.Arm(crash.Cut{Point: 1})
	if err := s.run(t.Context(), time.Minute, "brctl", "show"); err == nil || err.Error() != "run brctl: the power is cut" {
		t.Errorf("%v", err)
	}
}
