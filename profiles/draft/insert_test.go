package draft

import (
	"strings"
	"testing"

	"ringboot/profiles"
)

// onSwitch is a profile as people write it, with comments behind the nodes.
func onSwitch(ring string) string {
	text := "version: 1\ncluster: {name: lab, domain: example.net, mail: root@example.net}\nmanagement: {prefix: 10.1.0.0/24, gateway: 10.1.0.1, dns: [10.1.0.1]}\nring:\n  prefix: 10.2.0.0/24\n  mtu: 9000\n" + ring + "nodes:\n"
	for _, n := range []string{"frege", "russell", "wittgenstein"} {
		text += "  - name: " + n + "\n    address: 10.1.0.1" + string('1'+byte(strings.Index("frw", n[:1]))) + "\n    ports:\n      - {interface: eno1}\n      - {interface: eno2} # the slow one\n"
	}
	return text + "\n# accounts\nusers:\n  - {name: alice}\n"
}

const (
	switchRing = "  transport: switch\n  ports:\n    - {name: sfp0, path: \"pci-0000:01:00.0\"}\n"
	meshRing   = "  transport: mesh\n  ports:\n    - {name: sfp0, path: \"pci-0000:01:00.0\"}\n    - {name: sfp1, path: \"pci-0000:01:00.1\"} # to the right\n"
)

// A node comes behind the others, and everything else stays byte for byte.
func TestInsertWritesOneNodeAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		ring string
		n    Newcomer
	}{
		"switch":        {switchRing, Newcomer{Name: "hume"}},
		"switch, disks": {switchRing, Newcomer{Name: "hume", RootDisk: "S1", OSDDisks: []string{"S2", "S3"}, Ports: []string{"58:47:ca:00:00:01", "58:47:ca:00:00:02"}}},
		"mesh":          {meshRing, Newcomer{Name: "hume", RingPort: &profiles.RingPort{Name: "sfp2", Path: "pci-0000:02:00.0"}}},
	} {
		before := onSwitch(c.ring)
		after, err := Insert("lab.yaml", []byte(before), c.n)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := profiles.Load("lab.yaml", after)
		if err != nil {
			t.Fatal(err)
		}
		n := p.Nodes[3]
		if n.Name != "hume" || !n.Added || n.Address.String() != "10.1.0.14" || n.Ring.String() != "10.2.0.14" || n.RootDisk.Serial != c.n.RootDisk || len(n.OSDDisks) != len(c.n.OSDDisks) || len(n.Ports) != 2 {
			t.Errorf("%s: %+v", name, n)
		}
		kept := strings.Split(string(after), "\n")
		for line := range strings.SplitSeq(before, "\n") {
			for len(kept) > 0 && kept[0] != line {
				kept = kept[1:]
			}
			if len(kept) == 0 {
				t.Fatalf("%s: the line %q is gone:\n%s", name, line, after)
			}
			kept = kept[1:]
		}
	}
}

func TestInsertRefusesWhatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		n    Newcomer
		want string
	}{
		"a ring of three":    {strings.Replace(onSwitch(meshRing), "transport: mesh", "transport: ethernet", 1), Newcomer{Name: "hume"}, "the transport ethernet joins 3 nodes"},
		"a mesh, no port":    {onSwitch(meshRing), Newcomer{Name: "hume"}, "a mesh needs 3 on each node"},
		"a name that is":     {onSwitch(switchRing), Newcomer{Name: "frege"}, "stands at"},
		"lists in one line":  {strings.Replace(onSwitch(meshRing), "  ports:\n    - {name: sfp0, path: \"pci-0000:01:00.0\"}\n    - {name: sfp1, path: \"pci-0000:01:00.1\"} # to the right\n", "  ports: [{name: sfp0, path: \"pci-0000:01:00.0\"}, {name: sfp1, path: \"pci-0000:01:00.1\"}]\n", 1), Newcomer{Name: "hume", RingPort: &profiles.RingPort{Name: "sfp2", Path: "pci-0000:02:00.0"}}, "by hand"},
		"ports by addresses": {strings.Replace(onSwitch(switchRing), "address: 10.1.0.13\n    ports:\n      - {interface: eno1}", "address: 10.1.0.13\n    ports:\n      - {mac: \"58:47:ca:00:00:09\"}", 1), Newcomer{Name: "hume"}, "with --port"},
	} {
		if out, err := Insert("lab.yaml", []byte(c.text), c.n); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// Nodes are added behind founders, and there are founders enough.
func TestAddedStandsBehindAllOthers(t *testing.T) {
	for old, want := range map[string]string{
		"name: russell\n":      "says that 1 nodes founded the cluster",
		"name: wittgenstein\n": "says that 2 nodes founded the cluster",
	} {
		_, err := profiles.Load("lab.yaml", []byte(strings.Replace(onSwitch(switchRing), old, old+"    added: true\n", 1)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", old, err)
		}
	}
}
