package profiles

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringboot/profiles/form"
	"ringboot/profiles/sshkey"

	"gopkg.in/yaml.v3"
)

// defaultText is the profile "philosophers": three nodes, every key explained.
//
//go:embed philosophers.yaml
var defaultText []byte

// DefaultText is the commented default profile, as "mkimage init" writes it.
func DefaultText() []byte { return bytes.Clone(defaultText) }

// Default is the embedded profile "philosophers".
func Default() *Profile {
	p, err := Load("philosophers.yaml", defaultText)
	if err != nil {
		panic("embedded profile: " + err.Error()) // a test loads it
	}
	return p
}

// Load reads a profile and checks it. name is what messages call the text.
// Keys that are left out get their defaults. The error is of type form.Problems and
// holds every mistake, sorted by place.
func Load(name string, text []byte) (*Profile, error) {
	return load(name, text, keyTable(), func(c *checker) {
		c.p.derive(c.Written)
		c.Required(c.p)
		c.all()
	})
}

// load reads a profile, and has it checked.
func load(name string, text []byte, keys map[string]form.Key, check func(*checker)) (*Profile, error) {
	p := base()
	r, err := formOf(keys).Read(name, text, p)
	if err != nil {
		return nil, err
	}
	check(&checker{Reading: r, p: p})
	if err := r.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// LoadRing reads the part of a profile by which a ring is kept that serves no
// cluster: ring, and this machine as the only one of nodes.
func LoadRing(name string, text []byte) (*Profile, error) {
	keys := keyTable()
	nodes := keys["nodes"]
	nodes.Min, nodes.Max = 1, 1
	keys["nodes"] = nodes
	return load(name, text, keys, func(c *checker) {
		switch t, nodes := c.p.Transport(), c.p.Nodes; {
		case t.Shape != ShapeRing && !c.Broken("ring.transport"):
			c.At("ring.transport", "%s is no ring of cables; write %s", t.Name, strings.Join(transportsThat(func(t Transport) bool { return t.Shape == ShapeRing }), " or "))
		case c.p.Ring.Chain != "" && !c.Broken("ring.chain"):
			c.At("ring.chain", "is for the nodes of a cluster; a ring by itself has three cables, take it out")
		case c.Broken("nodes"):
		case len(nodes) != 1 || nodes[0].Name == "":
			c.At("nodes", "names this machine and no other here; write one entry with name and ring")
		case !nodes[0].Ring.Is4() || !nodes[0].Ring.IsGlobalUnicast():
			c.At("nodes[0].ring", "is no IPv4 address of a machine; write this machine's own address on the ring, such as 10.203.4.11")
		}
		c.ring()
	})
}

// base holds the defaults of keys that are left out. They are those of the
// embedded profile wherever they do not name a machine; a test holds the two
// together. What follows from the release is derived.
func base() *Profile {
	return &Profile{
		Cluster: Cluster{Timezone: "UTC", Keyboard: "en-us", Country: "us"},
		Proxmox: Proxmox{Version: "9.2-1", Repository: "no-subscription", Update: UpdateLatest},
		Install: Install{Filesystem: "ext4", AfterInstall: "reboot"},
		Ring: Ring{Transport: TransportThunderbolt, MTU: 65520, Routing: "static", Ports: []RingPort{
			{Name: "en05", Path: "pci-0000:00:0d.2", Driver: "thunderbolt-net"},
			{Name: "en06", Path: "pci-0000:00:0d.3", Driver: "thunderbolt-net"},
		}},
		Ceph:       Ceph{Enabled: true, Repository: "no-subscription", Network: "ring", Pool: "vm", PGNum: 32, MinOSDs: 1},
		HA:         HA{Enabled: true, ShutdownPolicy: "migrate", Migration: "secure"},
		Acceptance: Acceptance{Bandwidth: true, Migration: true, Maintenance: true, PowerCut: ConsentAsk, Seconds: 10},
		Agent:      Agent{Port: 8643, StatusPage: true, StatusPort: 8644},
	}
}

// derive fills in what follows from other keys.
func (p *Profile) derive(written func(path string) bool) {
	if t := p.Transport(); t.Shape == ShapeNone {
		p.ringless(t, written)
	}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		if !n.Ring.IsValid() && n.Address.Is4() && p.Ring.Prefix.Addr().Is4() {
			ring := p.Ring.Prefix.Masked().Addr().As4()
			ring[3] = n.Address.As4()[3]
			n.Ring = netip.AddrFrom4(ring)
		}
	}
	p.wordNetworks(written)
	if r := p.Release(); p.Ceph.Version == "" && len(r.Ceph) > 0 {
		p.Ceph.Version = r.Ceph[0].Name
	}
	for i := range p.Users {
		if p.Users[i].Sudo == "" {
			p.Users[i].Sudo = "none"
		}
	}
}

// ringless gives the ring what the management network has.
func (p *Profile) ringless(t Transport, written func(path string) bool) {
	if !written("ring.prefix") {
		p.Ring.Prefix = p.Management.Prefix
	}
	if !written("ring.mtu") {
		p.Ring.MTU = cmp.Or(p.Management.MTU, t.MTU)
	}
	if !written("ring.ports") {
		p.Ring.Ports = nil
	}
	for i := range p.Nodes {
		if n := &p.Nodes[i]; !n.Ring.IsValid() {
			n.Ring = n.Address
		}
	}
}

// Resolve reads the users' key files into their keys, so that the profile
// stands for itself. The result holds no file names. All files that cannot be
// read or hold no key are named at once.
func (p *Profile) Resolve(read func(name string) ([]byte, error)) error {
	var errs []error
	for i := range p.Users {
		u := &p.Users[i]
		for j, name := range u.KeyFiles {
			text, err := read(name)
			if err != nil {
				errs = append(errs, fmt.Errorf("users[%d].key_files[%d]: %w", i, j, err))
				continue
			}
			found, err := sshkey.All(string(text))
			if err != nil {
				errs = append(errs, fmt.Errorf("users[%d].key_files[%d]: %s: %w", i, j, name, err))
				continue
			}
			u.Keys = append(u.Keys, found...)
		}
		u.KeyFiles = nil
		u.Keys = unique(u.Keys)
	}
	return errors.Join(errs...)
}

func unique(list []string) (out []string) {
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// Marshal writes a profile as YAML, complete and without comments. Load reads it back to the same value.
func Marshal(p *Profile) ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(p); err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	return out.Bytes(), nil
}

// Tree is the profile as YAML sees it, without what is left out anyway.
func (p *Profile) Tree() (map[string]any, error) {
	text, err := Marshal(p)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read profile back: %w", err)
	}
	prune(tree)
	return tree, nil
}

// prune takes out what is left out anyway: empty texts and lists, none of
// which is a default of a key that has another.
func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			prune(item)
			list, isList := item.([]any)
			table, isTable := item.(map[string]any)
			if item == "" || isList && len(list) == 0 && k != "osd_disks" || isTable && len(table) == 0 {
				delete(v, k)
			}
		}
	case []any:
		for _, item := range v {
			prune(item)
		}
	}
}
