package management

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

// The ports of a machine are those that hang on a bus and are no radio, by name,
// each with the address that it has of its own.
func TestWhatIsAPort(t *testing.T) {
	b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) {
		o.NICs = append(o.NICs, nodetest.NIC{Name: "wlp1s0", MAC: "58:47:ca:00:00:08", PCI: "0000:58:00.0", Driver: "mt7921e"},
			nodetest.NIC{Name: "wlp2s0", MAC: "58:47:ca:00:00:09", PCI: "0000:59:00.0", Driver: "iwlwifi"})
		o.NICs[0], o.NICs[1] = o.NICs[1], o.NICs[0]
	})
	b.put(t, "/sys/devices/pci0000:00/0000:58:00.0/net/wlp1s0/wireless/.there", "")
	b.put(t, "/sys/devices/pci0000:00/0000:59:00.0/net/wlp2s0/phy80211/.there", "")
	b.put(t, "/sys/devices/pci0000:00/0000:5a:00.0/net/enp90s0/address", "58:47:CA:00:00:01\n") // the bond's
	b.put(t, "/sys/devices/pci0000:00/0000:5a:00.0/net/enp90s0/bonding_slave/perm_hwaddr", "58:47:CA:00:00:02\n")
	got, err := physicalLinks(b.Host().Files)
	if err != nil {
		t.Fatal(err)
	}
	want := []Link{
		{Name: "en05", MAC: "02:47:ca:00:00:03", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net", Carrier: true},
		{Name: "enp87s0", MAC: "58:47:ca:00:00:01", Path: "pci-0000:57:00.0", Driver: "igc", Carrier: true, Master: "vmbr0"},
		{Name: "enp90s0", MAC: "58:47:ca:00:00:02", Path: "pci-0000:5a:00.0", Driver: "igc", Carrier: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A port of the ring is never one of the bond, however the profile names it.
func TestWhatIsAPortOfTheRing(t *testing.T) {
	p := &profiles.Profile{Ring: profiles.Ring{Ports: []profiles.RingPort{
		{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "atlantic"}, {Name: "en06", Path: "pci-0000:00:0d.3"},
		{Name: "ring1", Interface: "enp3s0"}, {Name: "ring2", MAC: "aa:bb:cc:00:00:01"}}}}
	for _, c := range []struct {
		link Link
		want bool
	}{
		{Link{Name: "enp1s0", Driver: "igc", MAC: "58:47:ca:00:00:01", Path: "pci-0000:57:00.0"}, false},
		{Link{Name: "enp1s0", Driver: "thunderbolt-net"}, true},
		{Link{Name: "thunderbolt0", Driver: "igc"}, true},
		{Link{Name: "en06", Driver: "igc"}, true},
		{Link{Name: "enp3s0", Driver: "igc"}, true},
		{Link{Name: "enp4s0", MAC: "AA:BB:CC:00:00:01"}, true},
		{Link{Name: "enp4s0", Path: "pci-0000:00:0d.2", Driver: "atlantic"}, true},
		{Link{Name: "enp4s0", Path: "pci-0000:00:0d.2", Driver: "igc"}, false},
		{Link{Name: "enp4s0", Path: "pci-0000:00:0d.3", Driver: "igc"}, true},
		{Link{}, false},
	} {
		if got := isRing(c.link, p, profiles.Node{}); got != c.want {
			t.Errorf("%+v: %v", c.link, got)
		}
	}
}

// Ports that nobody named: the one under the bridge, or the bond, and one other
// that is built in, has a cable and belongs to nothing.
func TestPortsThatNobodyNamed(t *testing.T) {
	under := Link{Name: "enp87s0", Driver: "atlantic", MAC: "m1", Master: "vmbr0"}
	spare := Link{Name: "enp90s0", Driver: "igc", MAC: "m2", Carrier: true}
	with := func(l Link, change func(*Link)) Link { change(&l); return l }
	for name, c := range map[string]struct {
		free []Link
		want string
	}{
		"bridge and a spare one": {[]Link{under, spare}, "enp87s0 enp90s0"},
		"both in the bond":       {[]Link{with(under, func(l *Link) { l.Master = "bond0" }), with(spare, func(l *Link) { l.Master = "bond0" })}, "enp87s0 enp90s0"},
		"no cable":               {[]Link{under, with(spare, func(l *Link) { l.Carrier = false })}, "enp87s0"},
		"of another bridge":      {[]Link{under, with(spare, func(l *Link) { l.Master = "vmbr1" })}, "enp87s0"},
		"a card":                 {[]Link{under, with(spare, func(l *Link) { l.Driver = "mlx5_core" })}, "enp87s0"},
		"none under the bridge":  {[]Link{spare}, "management ports: no port is under vmbr0 and the profile names none, this machine has enp90s0 (igc, m2, has a link): write two of them into nodes[].ports"},
		"none at all":            {nil, "management ports: no port is under vmbr0 and the profile names none, this machine has none: write two of them into nodes[].ports"},
		"two spare ones":         {[]Link{under, spare, spare}, "management ports: more than two ports could be meant, enp87s0 (atlantic, m1, no cable), enp90s0 (igc, m2, has a link), enp90s0 (igc, m2, has a link): write two of them into nodes[].ports by mac"},
	} {
		links, err := choosePorts(c.free, &profiles.Profile{}, profiles.Node{})
		got := strings.Join(aim{ports: links}.names(), " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	// By driver, what carries the network now comes first, then what has a cable.
	links, err := choosePorts([]Link{{Name: "a", Driver: "igc"}, {Name: "b", Driver: "igc", Carrier: true}}, &profiles.Profile{}, profiles.Node{Ports: []profiles.Port{{Driver: "igc"}, {Interface: "a"}}})
	if got := (aim{ports: links}).names(); err != nil || !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%q, %v", got, err)
	}
	links, err = choosePorts([]Link{{Name: "a", Driver: "igc", Carrier: true}, {Name: "b", Driver: "igc", Master: "vmbr0"}}, &profiles.Profile{}, profiles.Node{Ports: []profiles.Port{{Driver: "igc"}}})
	if got := (aim{ports: links}).names(); err != nil || !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// A name is pinned once, by whatever file, and none that udev cannot give.
func TestWhichNamesArePinned(t *testing.T) {
	l := Link{Name: "enp90s0", MAC: "58:47:ca:00:00:02", Path: "pci-0000:5a:00.0"}
	for name, c := range map[string]struct {
		link       Link
		path, text string
		want       bool
	}{
		"nothing":               {l, "", "", false},
		"a name of the kernel":  {Link{Name: "eth0", MAC: l.MAC, Path: l.Path}, "", "", true},
		"no address":            {Link{Name: l.Name, Path: l.Path}, "", "", true},
		"on no bus":             {Link{Name: l.Name, MAC: l.MAC}, "", "", true},
		"by the owner":          {l, "/etc/systemd/network/50-lan.link", "[Match]\nMACAddress=58:47:CA:00:00:02\n", true},
		"by the installer":      {l, "/usr/local/lib/systemd/network/50-pmx-nic1.link", "[Match]\nMACAddress=58:47:ca:00:00:02\n", true},
		"by another kind":       {l, "/etc/systemd/network/50-lan.network", "[Match]\nMACAddress=58:47:ca:00:00:02\n", false},
		"of another port":       {l, "/run/systemd/network/50-lan.link", "[Match]\nMACAddress=58:47:ca:00:00:07\n", false},
		"ours, with other text": {l, "/etc/systemd/network/10-ringboot-enp90s0.link", "[Match]\n", true},
	} {
		b := newBench(t, nil)
		if c.path != "" {
			b.put(t, c.path, c.text)
		}
		if got := b.step.pinned(c.link); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if err := b.step.pin(aim{ports: []Link{c.link}}); err != nil || (len(b.step.pins(aim{ports: []Link{c.link}})) > 0) || host.Exists(b.Disk, pinPath(c.link)) == (c.want && !strings.HasPrefix(name, "ours")) {
			t.Errorf("%s: afterwards %v", name, err)
		}
	}
}

// The question who has the gateway's address, byte for byte as RFC 826 has it,
// and what is an answer to it.
func TestAQuestionByARP(t *testing.T) {
	gateway := netip.MustParseAddr("192.0.2.1")
	mac := net.HardwareAddr{0x58, 0x47, 0xca, 0, 0, 1}
	want := []byte{0, 1, 8, 0, 6, 4, 0, 1, 0x58, 0x47, 0xca, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1}
	if got := request(mac, gateway); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	reply := []byte{0, 1, 8, 0, 6, 4, 0, 2, 1, 2, 3, 4, 5, 6, 192, 0, 2, 1, 0x58, 0x47, 0xca, 0, 0, 1, 0, 0, 0, 0}
	change := func(at int, b byte) []byte {
		out := slices.Clone(reply)
		out[at] = b
		return out
	}
	for name, c := range map[string]struct {
		packet []byte
		want   bool
	}{
		"an answer": {reply, true}, "with a trailer": {append(slices.Clone(reply), 0), true}, "cut off": {reply[:27], false},
		"a question": {change(7, 1), false}, "of another": {change(17, 2), false}, "nothing": {nil, false},
	} {
		if got := answers(c.packet, gateway); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
