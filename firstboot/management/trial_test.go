package management

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// The bond of the profile: what is said before, what is written and run, in which
// order, and that a second look finds nothing.
func TestTheBondIsMadeOnTrial(t *testing.T) {
	b := newBench(t, nil)
	m := crash.New(b.Disk, b, b.Clock)
	b.start(m.Host())
	if got := b.step.Name(); got != "management" {
		t.Errorf("it is called %q", got)
	}
	if got := b.step.Recheck(); got != time.Minute {
		t.Errorf("the verdict keeps for %s", got)
	}
	m.Arm(crash.Cut{})
	v := b.check(t)
	want := []string{
		"bond0 iface:  -> bond0 inet manual",
		"vmbr0 bridge-ports: enp87s0 -> bond0", "vmbr0 address:  -> 2001:db8::11/64",
		"bond0: ports  -> ports enp87s0 enp90s0", "bond0: mode  -> mode active-backup", "vmbr0:  -> port bond0", "vmbr0:  -> address 2001:db8::11/64",
		"/etc/systemd/network/10-ringboot-enp87s0.link:  -> name enp87s0 pinned to 58:47:ca:00:00:01", "/etc/systemd/network/10-ringboot-enp90s0.link:  -> name enp90s0 pinned to 58:47:ca:00:00:02",
	}
	want = append([]string{"enp90s0 iface:  -> enp90s0 inet manual"}, want...)
	if d := cmp.Diff(want, objects(v)); d != "" || v.State != step.Todo || v.Reason != "the management network is not the bond of the profile" {
		t.Errorf("%s: %s %s", v.State, v.Reason, d)
	}
	if m.Points() > 0 {
		t.Errorf("looking changed %q", m.Log())
	}
	if err := b.step.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	trial := []string{
		"run ip link set dev enp90s0 up",
		"write /etc/systemd/network/10-ringboot-enp87s0.link", "write /etc/systemd/network/10-ringboot-enp90s0.link",
		"write " + restoreFile, "link " + restoreWanted, "run systemctl daemon-reload",
		"write " + networkBackup, "sync", "write " + networkMarker, "sync",
		"run systemctl stop ringboot-network-rollback.timer",
		"run systemd-run --unit=ringboot-network-rollback --collect --on-active=120 /usr/lib/ringboot/firstboot restore-network --reload",
		"write /etc/network/interfaces", "run ifreload -a",
		"remove /var/lib/ringboot/network/consent", "run systemctl stop ringboot-network-rollback.timer", "remove " + networkMarker, "sync",
	}
	if d := cmp.Diff(trial, m.Log()); d != "" {
		t.Error(d)
	}
	if got := b.text("/etc/systemd/network/10-ringboot-enp90s0.link"); !strings.Contains(got, "PermanentMACAddress=58:47:ca:00:00:02\n\n[Link]\nName=enp90s0\n") {
		t.Errorf("pinned by\n%s", got)
	}
	m.Arm(crash.Cut{})
	if v := b.check(t); v.State != step.Done || v.Reason != "10.203.3.11 on bond0 of enp87s0 and enp90s0" || len(v.Risks)+len(v.Changes) > 0 {
		t.Errorf("%+v", v)
	}
	if err := b.step.Apply(t.Context()); err != nil || slices.ContainsFunc(m.Log(), func(l string) bool { return !strings.HasPrefix(l, "run ip link") }) {
		t.Errorf("a second time: %q, %v", m.Log(), err)
	}
	// The next trial finds the way back laid already.
	b.put(t, interfacesFile, strings.Replace(b.text(interfacesFile), "\tbond-primary enp87s0\n", "", 1))
	m.Arm(crash.Cut{})
	if err := b.step.Apply(t.Context()); err != nil || slices.Contains(m.Log(), "write "+restoreFile) || slices.Contains(m.Log(), "link "+restoreWanted) || !slices.Contains(m.Log(), "run ifreload -a") {
		t.Errorf("%q, %v", m.Log(), err)
	}
}

// What the profile says of the management network comes up, is proven, and is at
// rest; where the kernel has something else of it, that is named.
func TestTheNetworkOfTheProfileComesUp(t *testing.T) {
	for name, m := range map[string]profiles.Management{
		"a VLAN": {VLAN: 16}, "LACP": {Bond: "802.3ad"}, "LACP in a VLAN": {VLAN: 16, Bond: "802.3ad", MTU: 9000},
		"guests with tags": {VLANAware: true}, "larger packets": {MTU: 9000},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
				have := &p.Management
				have.VLAN, have.Bond, have.MTU, have.VLANAware = m.VLAN, m.Bond, m.MTU, m.VLANAware
			})
			v := b.run(t)
			if want := "10.203.3.11 on " + m.Uplink() + " of enp87s0 and enp90s0"; v.State != step.Done || v.Reason != want || len(v.Risks) > 0 {
				t.Errorf("%v: %s (%q), want %s: %+v", v.State, v.Reason, v.Risks, want, v.Changes)
			}
		})
	}
	for what, c := range map[string]struct{ path, text, want string }{
		"mode":    {netClass + "/bond0/bonding/mode", "802.3ad 4\n", "bond0: mode 802.3ad -> mode active-backup"},
		"slaves":  {netClass + "/bond0/bonding/slaves", "enp90s0\n", "bond0: ports enp90s0 -> ports enp87s0 enp90s0"},
		"size":    {netClass + "/vmbr0/mtu", "1500\n", "vmbr0: MTU 1500 -> MTU 9000"},
		"address": {netClass + "/vmbr0/.address", "10.203.3.77/24", "vmbr0:  -> address 10.203.3.11/24"},
		"sources": {interfacesFile, "", "/etc/network/interfaces: without source /etc/network/interfaces.d/* -> source /etc/network/interfaces.d/*"},
	} {
		b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Management.MTU = 9000 })
		if v := b.run(t); v.State != step.Done {
			t.Fatalf("%s: %s %s", what, v.State, v.Reason)
		}
		if c.text == "" {
			c.text = strings.Replace(b.text(interfacesFile), sourceLine+"\n", "", 1)
		}
		b.put(t, c.path, c.text)
		if v := b.check(t); v.State != step.Todo || !slices.Equal(objects(v), []string{c.want}) {
			t.Errorf("%s: %s %q", what, v.State, objects(v))
		}
		if v := b.run(t); v.State != step.Done {
			t.Errorf("%s: afterwards %s %q", what, v.State, objects(v))
		}
	}
}

// A network that did not work is not tried again and again: for five minutes the
// old one is left alone, for half a minute a port that is plugged in wrongly.
func TestAFailedTrialIsNotRepeatedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change changed
		rest   time.Duration
	}{
		"given back": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Broken = true }, 5 * time.Minute},
		"wrong port": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.NICs[1].Wired = false }, 30 * time.Second},
		"wrong port in a VLAN": {func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
			o.NICs[1].Wired, p.Management.VLAN = false, 16
		}, 30 * time.Second},
	} {
		b := newBench(t, c.change)
		v := b.run(t)
		b.Clock.Advance(c.rest - time.Nanosecond)
		if again := b.check(t); again.State != step.Waiting || again.Reason != v.Reason || again.Reason == "" {
			t.Errorf("%s: just before the rest is over: %s %s", name, again.State, again.Reason)
		}
		b.Clock.Advance(time.Nanosecond)
		if again := b.check(t); again.State != step.Todo {
			t.Errorf("%s: after the rest: %s %s", name, again.State, again.Reason)
		}
	}
}

// Whoever is asked, and for how long: the gateway and the peers in turn, each
// second for half a minute, and by ARP those that do not answer an echo; a port's
// link is waited for six seconds.
func TestWhoIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		answers string // of ip neigh for wittgenstein
		reached bool
		asked   int
	}{
		"nobody":                 {"", false, 31 * 3},
		"not even ARP":           {"10.203.3.13 lladdr 58:47:ca:00:00:09 FAILED", false, 31 * 3},
		"ARP of an earlier time": {"10.203.3.13 REACHABLE", false, 31 * 3},
		"ARP":                    {"10.203.3.13 lladdr 58:47:ca:00:00:09 REACHABLE", true, 3},
	} {
		b := newBench(t, nil)
		asked := map[string]int{}
		h := b.Host()
		h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
			asked[strings.Join(cmd.Argv, " ")]++
			if cmd.Timeout != 5*time.Second {
				t.Errorf("%v is ended after %s", cmd.Argv, cmd.Timeout)
			}
			if cmd.Argv[0] == "ip" && cmd.Argv[3] == "10.203.3.13" {
				return host.Result{Stdout: []byte(c.answers)}, nil
			}
			return host.Result{Code: 1}, nil
		})
		b.start(h)
		begin := b.Clock.Now()
		ok, err := b.step.reached(t.Context())
		n := 0
		for _, to := range []string{"10.203.3.1", "10.203.3.12", "10.203.3.13"} {
			n += asked["ping -n -c 1 -W 1 "+to]
			if asked["ping -n -c 1 -W 1 "+to] != asked["ip neigh show "+to+" dev vmbr0"] {
				t.Errorf("%s: asked %v", name, asked)
			}
		}
		if ok != c.reached || err != nil || n != c.asked || len(asked) != 6 {
			t.Errorf("%s: %v, %v, asked %d times: %v", name, ok, err, n, asked)
		}
		if took := b.Clock.Now().Sub(begin); !ok && took != probeFor {
			t.Errorf("%s: gave up after %s", name, took)
		}
	}
	b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.NICs[1].Carrier = false })
	begin := b.Clock.Now()
	if up, err := b.step.linked(t.Context(), Link{Name: "enp90s0"}); up || err != nil || b.Clock.Now().Sub(begin) != 6*time.Second {
		t.Errorf("%v, %v after %s", up, err, b.Clock.Now().Sub(begin))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.step.linked(ended, Link{Name: "enp90s0"}); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for a link is not interrupted: %v", err)
	}
	h := b.Host()
	h.Commands = scripted(func(host.Cmd) (host.Result, error) { return host.Result{Code: 1}, nil })
	b.start(h)
	if ok, err := b.step.reached(ended); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for an answer is not interrupted: %v", err)
	}
}

type scripted func(host.Cmd) (host.Result, error)

func (s scripted) Run(_ context.Context, cmd host.Cmd) (host.Result, error) { return s(cmd) }

// What a person has to decide: lines of his own, changes of the web interface,
// a bond of other ports, a network that he keeps.
func TestWhatItsOwnerDecides(t *testing.T) {
	b := newBench(t, nil)
	plain := b.text(interfacesFile)
	mine := strings.Replace(plain, "\tgateway 10.203.3.1\n", "\tgateway 10.203.3.2\n", 1)
	b.put(t, interfacesFile, mine)
	const lines = `/etc/network/interfaces has lines of somebody's hand that contradict the profile: vmbr0: "gateway 10.203.3.2", the profile says "gateway 10.203.3.1"; keep them with management.keep: true, correct the profile, or let them go with touch /var/lib/ringboot/network/consent`
	if v := b.check(t); v.State != step.Stopped || v.Reason != lines {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	if err := b.step.Apply(t.Context()); err != nil || b.text(interfacesFile) != mine || len(b.Calls) > 0 {
		t.Errorf("%v, ran %q:\n%s", err, b.Calls, b.text(interfacesFile))
	}
	b.put(t, consentFile, "")
	if v := b.run(t); v.State != step.Done || host.Exists(b.Disk, consentFile) || !strings.Contains(b.text(interfacesFile), "gateway 10.203.3.1\n") {
		t.Errorf("with consent: %s %s\n%s", v.State, v.Reason, b.text(interfacesFile))
	}
	b.put(t, interfacesNew, "")
	if v := b.check(t); v.State != step.Stopped || v.Reason != "somebody left network changes that are not applied in /etc/network/interfaces.new: apply or revert them in the web interface under System, Network" {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	b = newBench(t, nil)
	b.put(t, interfacesFile, plain+"\nauto bond0\niface bond0 inet manual\n\tbond_slaves enp2s0f0 enp2s0f1\n")
	if v := b.check(t); v.State != step.Stopped || v.Reason != "management ports: bond0 is a bond of other ports already (enp2s0f0 enp2s0f1): give it another name, or set management.keep to true and make the management network redundant yourself" {
		t.Errorf("%s: %s", v.State, v.Reason)
	}
	if err := b.step.Apply(t.Context()); !errors.Is(err, errPorts) || len(b.Calls) > 0 {
		t.Errorf("%v, ran %q", err, b.Calls)
	}
	for address, want := range map[string]step.Verdict{
		"10.203.3.11": {State: step.Done, Reason: "10.203.3.11/24 on a network that the profile leaves as it is", Risks: []string{"the management network is kept as it was found, by consent: nobody checked that it is redundant"}},
		"10.203.3.77": {State: step.Stopped, Reason: "no port has the address 10.203.3.77/24, and management.keep leaves the network to you: set it in /etc/network/interfaces, or take management.keep out of the profile"},
	} {
		b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, n *profiles.Node) {
			p.Management.Keep, n.Address = true, netip.MustParseAddr(address)
		})
		if d := cmp.Diff(want, b.check(t)); d != "" {
			t.Error(d)
		}
		h := b.Host()
		h.Commands = scripted(func(host.Cmd) (host.Result, error) { return host.Result{}, crash.ErrRefused })
		b.start(h)
		if _, err := b.step.Check(t.Context()); !errors.Is(err, crash.ErrRefused) {
			t.Errorf("addresses that cannot be read: %v", err)
		}
	}
}
