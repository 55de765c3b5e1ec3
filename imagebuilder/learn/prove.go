package learn

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/pick"
)

// Meaning is what a profile means on one machine.
type Meaning struct {
	Node   string `json:"node"`
	From   string `json:"from"`
	Erases string `json:"erases,omitempty"` // the disk, or both of a mirror; empty: one is none, or more than one
	Error  string `json:"error,omitempty"`
}

// Prove says which disk of which machine each node's root_disk is. A value that
// fits two disks of a machine, or none, is an error.
func Prove(p *profiles.Profile, nodes []string, machines []Seen) ([]Meaning, error) {
	var out []Meaning
	wrong := false
	for _, m := range machines {
		n, ok := nodeOf(p, nodes, m)
		if !ok {
			out = append(out, Meaning{From: m.From, Error: m.String() + " is the machine of no node, by what the profile says: name it (machine, ports, root_disk)"})
			wrong = true
			continue
		}
		meaning := Meaning{Node: n.Name, From: m.From}
		var erased []string
		for _, named := range namedBy(n) {
			one, why, err := meant(p, named, m)
			if err != nil {
				return nil, err
			}
			erased = append(erased, one)
			meaning.Error = cmp.Or(meaning.Error, why)
		}
		if meaning.Error == "" {
			meaning.Erases = strings.Join(erased, " and ")
		}
		wrong = wrong || meaning.Error != ""
		out = append(out, meaning)
	}
	if wrong {
		return out, fault.Unverified.New("the profile does not mean exactly one disk of each machine: correct it")
	}
	return out, nil
}

// Show writes what was found for people.
func Show(w io.Writer, found []Meaning) {
	for _, m := range found {
		switch {
		case m.Error != "":
			fmt.Fprintf(w, "%s: %s\n", cmp.Or(m.Node, m.From), m.Error)
		default:
			fmt.Fprintf(w, "%s\n  ERASES:     %s\n", m.Node, m.Erases)
		}
	}
}

// nodeOf finds the node that a machine is: by its numbers, its ports, its disks;
// if only one node is asked about, that one.
func nodeOf(p *profiles.Profile, nodes []string, m Seen) (profiles.Node, bool) {
	for _, name := range nodes {
		n, _ := p.Node(name)
		is := n.Machine.Serial != "" && strings.EqualFold(n.Machine.Serial, m.Machine.Serial) ||
			n.Machine.UUID != "" && strings.EqualFold(n.Machine.UUID, m.Machine.UUID) ||
			slices.ContainsFunc(n.Ports, func(port profiles.Port) bool {
				return port.MAC != "" && slices.ContainsFunc(m.NICs, func(c NIC) bool { return strings.EqualFold(c.MAC, port.MAC) })
			})
		if fit, err := fitting(p, n.RootDisk, m); is || err == nil && len(fit) > 0 && (n.RootDisk.Serial != "" || n.RootDisk.ByID != "") {
			return n, true
		}
	}
	if len(nodes) == 1 {
		return p.Node(nodes[0])
	}
	return profiles.Node{}, false
}

// named is a key of a node and the disk that it names.
type named struct {
	key  string
	disk profiles.DiskName
}

// namedBy are the disks that the installation of a node erases.
func namedBy(n profiles.Node) []named {
	out := []named{{"root_disk", n.RootDisk}}
	if !n.MirrorDisk.IsZero() {
		out = append(out, named{"mirror_disk", n.MirrorDisk})
	}
	return out
}

// meant is the disk of a machine that a name means, or what is wrong with it.
func meant(p *profiles.Profile, n named, m Seen) (erases, wrong string, err error) {
	fit, err := fitting(p, n.disk, m)
	if err != nil {
		return "", "", err
	}
	switch len(fit) {
	case 1:
		return fit[0].describe(), "", nil
	case 0:
		return "", n.key + " is no disk of this machine: name one that it has", nil
	}
	var names []string
	for _, d := range fit {
		names = append(names, d.describe())
	}
	return "", fmt.Sprintf("%s fits %s: name one by a number that it alone has (%s.by_id)", n.key, strings.Join(names, " and "), n.key), nil
}

// fitting are the disks of a machine that a name of the profile fits, each as
// the answer for a system on one disk would find it.
func fitting(p *profiles.Profile, by profiles.DiskName, m Seen) ([]SeenDisk, error) {
	if by.IsZero() {
		var blank Seen
		for _, d := range m.Disks {
			if len(d.UsedBy) == 0 {
				blank.Disks = append(blank.Disks, d)
			}
		}
		if root := blank.root(); root != nil {
			return []SeenDisk{*root}, nil
		}
		return nil, nil
	}
	single := *p
	if l, ok := profiles.LayoutOf(p.Install.Filesystem); ok {
		single.Install.Filesystem = l.FileSystem.Name
	}
	choice, err := answer.ChoiceOf(&single, profiles.Node{RootDisk: by})
	if err != nil {
		return nil, err
	}
	var devices []pick.Device
	for _, d := range m.Disks {
		devices = append(devices, pick.Device{Name: d.Path, Properties: d.Properties})
	}
	var out []SeenDisk
	for _, fit := range pick.Disks(choice.Single, choice.List, choice.Filter, choice.Match, pick.Order(devices)).Fitting {
		if i := slices.IndexFunc(m.Disks, func(d SeenDisk) bool { return d.Path == fit.Name }); i >= 0 {
			out = append(out, m.Disks[i])
		}
	}
	return out, nil
}
