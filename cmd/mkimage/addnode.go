package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
	"ringboot/profiles/change"
	"ringboot/profiles/draft"
	"ringboot/profiles/fault"
)

// addNode is what mkimage add-node was asked for.
type addNode struct {
	profile, address, ring, rootDisk, ringPort string
	osdDisks, ports                            []string
	dry                                        bool
}

func newAddNode(t *cli.Terminal) *cobra.Command {
	var a addNode
	cmd := &cobra.Command{
		Use:   "add-node NAME",
		Short: "Write a node more into the profile of a cluster that runs",
		Long: `Write a node more into the profile of a cluster that runs, on a switch or in a
mesh. It comes behind the others; nothing else of the profile changes. Its voucher
is made in the keyring, and what is to be done next is said: the image of the new
node, the profile for each running node (mkimage seed, firstboot profile --grow),
and root's word on a member (firstboot admit NAME).

A mesh needs one port more on every node: --ring-port says which.`,
		Example: "  mkimage add-node hume --dry-run\n" +
			"  mkimage add-node hume --address 10.203.3.14 --root-disk S649NX0R124 --osd-disk S6S2NS0T124\n" +
			"  mkimage add-node hume --ring-port name=sfp2,path=pci-0000:02:00.0   # in a mesh",
		Args: cli.One("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, t, args[0]) },
	}
	f := cmd.Flags()
	f.StringVarP(&a.profile, "profile", "p", "", "profile (default "+profileFile+")")
	f.StringVar(&a.address, "address", "", "its address on the management network (default: behind the last node's)")
	f.StringVar(&a.ring, "ring-address", "", "its address on the ring (default: with the last byte of the other)")
	f.StringVar(&a.rootDisk, "root-disk", "", "serial number of the disk that is erased for its system")
	f.StringArrayVar(&a.osdDisks, "osd-disk", nil, "serial number of a disk for Ceph; may be repeated")
	f.StringArrayVar(&a.ports, "port", nil, "hardware address of a management port; may be repeated (default: found as the last node's)")
	f.StringVar(&a.ringPort, "ring-port", "", "in a mesh: the port that every node has more, as name=NAME,path=PATH")
	f.BoolVar(&a.dry, "dry-run", false, "show what would change, and write nothing")
	return cmd
}

func (a addNode) run(cmd *cobra.Command, t *cli.Terminal, name string) error {
	c, err := loadProfile(t, a.profile)
	if err != nil {
		return err
	}
	n, err := a.newcomer(c, name)
	if err != nil {
		return err
	}
	dir, err := c.keyringDir()
	if err != nil {
		return err
	}
	if !keyring.Exists(dir) {
		return fault.Precondition.Errorf("cluster %s has no keyring at %s: run this where its images were made; for a cluster that is not formed yet, write the node into the profile", c.Cluster.Name, dir)
	}
	text, err := t.ReadFile(c.from)
	if err != nil {
		return err
	}
	if text, err = draft.Insert(c.from, text, n); err != nil {
		return fault.Profile.Wrap(err)
	}
	p, err := profiles.Load(c.from, text)
	if err != nil {
		return fault.Profile.Wrap(err)
	}
	grown := cluster{Profile: p, from: c.from}
	if err := grown.Resolve(imagebuilder.ReadKeyFile); err != nil {
		return fault.Profile.Errorf("%s: %w", c.from, err)
	}
	if change.Added(c.Profile, p) != name {
		return fault.Refused.Errorf("%s does not come behind the nodes of %s: nothing was changed", name, c.from)
	}
	if err := a.show(t, c, grown, name); err != nil || a.dry {
		return err
	}
	if err := writeWhole(c.from, text, 0o644); err != nil {
		return err
	}
	if _, err := grown.complete(cmd.Context(), t); err != nil {
		return err
	}
	sayNext(t, grown, name)
	return nil
}

// newcomer refuses what no cluster of this kind takes, and reads the flags.
func (a addNode) newcomer(c cluster, name string) (n draft.Newcomer, err error) {
	n = draft.Newcomer{Name: name, RootDisk: a.rootDisk, OSDDisks: a.osdDisks, Ports: a.ports}
	tr := c.Transport()
	switch {
	case c.from == imagebuilder.BuiltIn:
		return n, fault.Precondition.New("there is no profile here: say which with --profile")
	case slices.Contains(c.nodeNames(), name):
		return n, fault.Usage.Errorf("%s is in %s already", name, c.from)
	case tr.MaxNodes == tr.MinNodes:
		return n, fault.Refused.Errorf("%s has %s of exactly %d nodes: each has a cable to both others, and no port is left for %s; a cluster grows on a switch or in a mesh, and ring.transport does not change on one that is formed", c.Cluster.Name, tr.Noun, tr.MaxNodes, name)
	case len(c.Nodes) >= tr.MaxNodes:
		return n, fault.Refused.Errorf("%s has %d nodes, and %s joins %d at most", c.Cluster.Name, len(c.Nodes), tr.Noun, tr.MaxNodes)
	}
	for flag, to := range map[string]struct {
		text string
		into *netip.Addr
	}{"address": {a.address, &n.Address}, "ring-address": {a.ring, &n.Ring}} {
		if to.text == "" {
			continue
		}
		if *to.into, err = netip.ParseAddr(to.text); err != nil {
			return n, fault.Usage.Errorf("--%s %s is no address", flag, to.text)
		}
	}
	mesh := tr.Ports == profiles.PerPeer
	if mesh != (a.ringPort != "") {
		if mesh {
			return n, fault.Usage.Errorf("a mesh of %d needs a cable from %s to each of %s, so each of them needs a port more: say which with --ring-port name=NAME,path=PATH", len(c.Nodes)+1, name, strings.Join(c.nodeNames(), ", "))
		}
		return n, fault.Usage.Errorf("--ring-port is for a mesh, and %s has %s", c.Cluster.Name, tr.Noun)
	}
	for _, node := range c.Nodes {
		if mesh && len(node.RingPorts) > 0 {
			return n, fault.Precondition.Errorf("%s has ring_ports of its own in %s: give every node a port more there and write %s behind them, with added: true", node.Name, c.from, name)
		}
	}
	if mesh {
		n.RingPort, err = ringPort(a.ringPort)
	}
	return n, err
}

// ringPort reads name=NAME,path=PATH.
func ringPort(text string) (*profiles.RingPort, error) {
	var p profiles.RingPort
	into := map[string]*string{"name": &p.Name, "path": &p.Path, "mac": &p.MAC, "interface": &p.Interface}
	for part := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(part, "=")
		to := into[key]
		if to == nil || value == "" {
			return nil, fault.Usage.Errorf("--ring-port %s: %q is not name=, path=, mac= or interface= with a value", text, part)
		}
		*to = value
	}
	return &p, nil
}

// show says how the plan differs, and what happens to the new machine.
func (a addNode) show(t *cli.Terminal, before, grown cluster, name string) error {
	page := t.Page(t.Stdout)
	for _, d := range change.Between(before.Profile, grown.Profile) {
		page.Row("", d.Key+": ", fmt.Sprintf("%s -> %s", cmp.Or(d.Have, "as it is"), d.Want))
	}
	if was, is := len(before.Monitors()), len(grown.Monitors()); was != is {
		page.Row("", "monitors: ", fmt.Sprintf("%d -> %d", was, is))
	}
	return describe(page, grown, []string{name})
}

// sayNext names what is left to do, in its order.
func sayNext(t *cli.Terminal, grown cluster, name string) {
	t.Say("%s is in %s, and nothing else of it was changed. Next:", name, grown.from)
	t.Say("1. mkimage --node %s makes its image; install the machine and leave it running", name)
	if mesh := grown.Transport().Ports == profiles.PerPeer; mesh {
		ports := grown.Ring.Ports
		t.Say("   plug a cable from %s into the port %s of every other node", name, ports[len(ports)-1].Name)
	}
	for _, n := range grown.Others(name) {
		t.Say("2. mkimage seed --node %s; on it: firstboot profile %[1]s.ringboot-seed --grow %s, firstboot settle, systemctl restart ringboot-keeper", n.Name, name)
	}
	if grown.Transport().Shape.Cabled() {
		t.Say("   and on each of them, one after the other: firstboot apply --only ring")
	}
	t.Say("3. firstboot admit %s on %s: its builder and the others' are called back, and the machine comes in", name, grown.Founder().Name)
}
