package management

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

type changed = func(o *nodetest.Options, p *profiles.Profile, n *profiles.Node)

// ports gives the machine other ports for management, and the profile these words for them.
func ports(nics []nodetest.NIC, named ...profiles.Port) changed {
	return func(o *nodetest.Options, _ *profiles.Profile, n *profiles.Node) {
		if nics != nil {
			o.NICs = append(slices.Clone(nics), o.NICs[2:]...)
		}
		if named != nil {
			n.Ports = named
		}
	}
}

func byName(names ...string) (out []profiles.Port) {
	for _, n := range names {
		out = append(out, profiles.Port{Interface: n})
	}
	return out
}

// What comes of a machine whose network is not as it should be, in one sentence
// with what to do; where the bond cannot be, the old network is there as it was.
func TestManagementNetworkInTrouble(t *testing.T) {
	first, second := port("enp87s0", "58:47:ca:00:00:01", "0000:57:00.0"), port("enp90s0", "58:47:ca:00:00:02", "0000:5a:00.0")
	third := port("enp91s0", "58:47:ca:00:00:04", "0000:5b:00.0")
	with := func(n nodetest.NIC, change func(*nodetest.NIC)) nodetest.NIC { change(&n); return n }
	unplugged := func(n *nodetest.NIC) { n.Carrier = false }
	elsewhere := func(n *nodetest.NIC) { n.Wired = false }
	once := func(n *nodetest.NIC) { n.Wired, n.Answers = false, true }
	nic := func(n ...nodetest.NIC) []nodetest.NIC { return n }
	const there = "enp87s0 (igc, 58:47:ca:00:00:01, has a link), enp90s0 (igc, 58:47:ca:00:00:02, has a link)"
	for name, c := range map[string]struct {
		change changed
		state  step.State
		want   string
		risk   string
	}{
		"one port, not allowed": {ports(nic(first)), step.Stopped,
			"management ports: only one port, enp87s0 (igc, 58:47:ca:00:00:01, has a link): name a second one in nodes[].ports of frege, or set management.allow_single_port to true", ""},
		"one port, allowed": {func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
			o.NICs, p.Management.AllowSinglePort = nic(first, o.NICs[2]), true
		}, step.Done, "10.203.3.11 on bond0 of enp87s0", "the management network has one port only (enp87s0), as the profile allows"},
		"wrong name": {ports(nil, byName("nic0", "enp90s0")...), step.Stopped,
			"management ports: no port with interface nic0 on this machine, it has " + there + ": correct nodes[].ports of frege in the profile", ""},
		"wrong mac": {ports(nil, profiles.Port{MAC: "aa:bb:cc:dd:ee:ff"}), step.Stopped,
			"management ports: no port with mac aa:bb:cc:dd:ee:ff on this machine, it has " + there + ": correct nodes[].ports of frege in the profile", ""},
		"wrong path": {ports(nil, profiles.Port{Path: "pci-0000:99:00.0"}), step.Stopped,
			"management ports: no port with path pci-0000:99:00.0 on this machine, it has " + there + ": correct nodes[].ports of frege in the profile", ""},
		"wrong driver, and no port at all": {ports([]nodetest.NIC{}, profiles.Port{Driver: "e1000e"}), step.Stopped,
			"management ports: no port with driver e1000e on this machine, it has none: correct nodes[].ports of frege in the profile", ""},
		"ring port":       {ports(nil, byName("enp87s0", "en05")...), step.Stopped, "management ports: no port with interface en05 on this machine, it has " + there + ": correct nodes[].ports of frege in the profile", ""},
		"by mac and path": {ports(nil, profiles.Port{MAC: "58:47:CA:00:00:02"}, profiles.Port{Path: "pci-0000:57:00.0"}), step.Done, "10.203.3.11 on bond0 of enp90s0 and enp87s0", ""},
		"enslaved elsewhere": {ports(nic(first, with(second, func(n *nodetest.NIC) { n.Master = "vmbr1" })), byName("enp87s0", "enp90s0")...), step.Stopped,
			"management ports: enp90s0 belongs to vmbr1 already: free it there, or name another port in nodes[].ports of frege", ""},
		"more ports than two of the driver": {ports(nic(first, second, third)), step.Stopped,
			"management ports: more than two ports fit: " + there + ", enp91s0 (igc, 58:47:ca:00:00:04, has a link); name two in nodes[].ports of frege by mac", ""},
		"three by name": {ports(nic(first, second, third), byName("enp87s0", "enp90s0", "enp91s0")...), step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0 and enp91s0", ""},
		"no cable at all": {ports(nic(with(first, unplugged), with(second, unplugged))), step.Waiting,
			"no cable in any management port (enp87s0, enp90s0): plug one in", "management port enp87s0 has no link: the management network is not redundant, check its cable; management port enp90s0 has no link: the management network is not redundant, check its cable"},
		"one port without a cable, allowed": {func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
			o.NICs, p.Management.AllowSinglePort = nic(with(first, unplugged), o.NICs[2]), true
		}, step.Waiting, "no cable in any management port (enp87s0): plug one in", "the management network has one port only (enp87s0), as the profile allows"},
		"one link down": {ports(nic(first, with(second, unplugged))), step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0",
			"management port enp90s0 has no link: the management network is not redundant, check its cable"},
		"ifupdown2 fails": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Broken = true }, step.Waiting,
			"the old network is back, because ifreload -a: exit status 1: error: vmbr0: cmd '/sbin/brctl stp vmbr0 off' failed: check the cables and switch ports, and nodes[].ports of frege", ""},
		"ifupdown2 fails and all of it is there": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Grumbles = true }, step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0",
			"the management network works, but ifupdown2 complained when it was applied: ifreload -a: exit status 1: error: vmbr0: cmd '/sbin/brctl stp vmbr0 off' failed"},
		"a port is plugged into another network": {ports(nic(first, with(second, elsewhere))), step.Waiting,
			"management port enp90s0 has a link and does not find the gateway 10.203.3.1: it is plugged into another network, as a port for remote management may be; plug it into the right one, or name other ports in nodes[].ports of frege", ""},
		"a switch passes nothing on one port of a group": {func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
			o.NICs[1].Wired, p.Management.Bond = false, "802.3ad"
		}, step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0", ""},
		"nothing answers through the new ports": {ports(nic(first, with(second, once), with(third, once)), byName("enp90s0", "enp91s0")...), step.Waiting,
			"the old network is back, because neither the gateway nor a peer answered through bond0 within 30s: check the cables and switch ports, and nodes[].ports of frege", ""},
		"the gateway is another one": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Gateway = "10.203.3.99" }, step.Stopped,
			"/etc/network/interfaces has lines of somebody's hand that contradict the profile: vmbr0: \"gateway 10.203.3.99\", the profile says \"gateway 10.203.3.1\"; keep them with management.keep: true, correct the profile, or let them go with touch /var/lib/ringboot/network/consent", ""},
		"without a gateway a peer will do": {func(o *nodetest.Options, p *profiles.Profile, _ *profiles.Node) {
			o.Gateway, p.Management.Gateway = "", netip.Addr{}
			o.NICs[1].Wired = false
		}, step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0", ""},
		"ports that nobody named": {func(_ *nodetest.Options, _ *profiles.Profile, n *profiles.Node) { n.Ports = nil }, step.Done, "10.203.3.11 on bond0 of enp87s0 and enp90s0", ""},
		"a third port that could be meant": {ports(nic(first, second, third), []profiles.Port{}...), step.Stopped,
			"management ports: more than two ports could be meant, " + there + ", enp91s0 (igc, 58:47:ca:00:00:04, has a link): write two of them into nodes[].ports by mac", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.change)
			old := b.text(interfacesFile)
			v := b.run(t)
			if v.State != c.state || v.Reason != c.want || strings.Join(v.Risks, "; ") != c.risk {
				t.Errorf("%s: %s\n(%q)\nwant %s: %s\n(%q)", v.State, v.Reason, v.Risks, c.state, c.want, c.risk)
			}
			if now := b.text(interfacesFile); (now == old) != (c.state != step.Done) {
				t.Errorf("the file is\n%s", now)
			}
			if c.state != step.Done && !host.Exists(b.Disk, "/sys/class/net/vmbr0/brif/enp87s0") {
				t.Error("the old network is not there")
			}
			if strings.Contains(b.Running(), "timer") || host.Exists(b.Disk, networkMarker) || len(b.Failures) > 0 {
				t.Errorf("a trial is still on: %s, %q", b.Running(), b.Failures)
			}
		})
	}
}
