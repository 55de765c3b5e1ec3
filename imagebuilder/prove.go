package imagebuilder

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
	"ringboot/profiles/diskname"
	"ringboot/profiles/fault"
)

// ErrUnproven says that a name of the profile does not mean exactly one device of
// the machine.
var ErrUnproven = fault.Refused.New("the inventory does not bear out the profile")

// Proof is what the names of a node's profile mean on its machine.
type Proof struct {
	Erases string   `json:"erases"` // /dev/nvme0n1, or both of a mirror
	Ceph   []string `json:"ceph"`
	Port   string   `json:"port"` // that the installer uses
}

// Prove holds the names of a node against an inventory of its machine: what the
// installer would take by the answer that would be made, and which disks Ceph
// would get. A name that fits two devices, or none, is refused. A part that the
// inventory lacks proves nothing, and its field is empty.
func Prove(p *profiles.Profile, node string, machine answer.Inventory) (Proof, error) {
	v, err := answer.ParseVersion(p.Release().Name)
	if err != nil {
		return Proof{}, err
	}
	// The password is not looked at; any hash has the form of one.
	const anyHash = "$5$salt$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8"
	aimed, wrong := aim(p, node, machine)
	text, err := answer.Write(answer.Request{Profile: aimed, Node: node, Version: v, RootPasswordHash: anyHash})
	if err != nil {
		return Proof{}, err
	}
	r := answer.Lint("answer of "+node, text, v, &machine)
	for _, f := range r.Findings {
		if f.Severity == answer.Wrong {
			wrong = append(wrong, f.Text)
		}
	}
	n, _ := p.Node(node)
	var proof Proof
	if machine.Disks != nil {
		for i, d := range append(slices.Clone(n.OSDDisks), n.BesideDisks()...) {
			if d.Rest {
				continue
			}
			key := fmt.Sprintf("osd_disks[%d]", i)
			if i >= len(n.OSDDisks) {
				key = "a disk beside the OSDs"
			}
			fits := disksOf(d, machine.Disks)
			if len(fits) != 1 {
				wrong = append(wrong, fmt.Sprintf("%s, %s, fits %s of this machine; name one by by_id", key, Erases(d), list(fits)))
				continue
			}
			proof.Ceph = append(proof.Ceph, fits[0])
		}
	}
	if len(wrong) > 0 {
		return Proof{}, fmt.Errorf("%w of %s: %s", ErrUnproven, node, strings.Join(wrong, "; "))
	}
	if r.Disks != nil {
		var taken []string
		for _, d := range r.Disks.Taken {
			taken = append(taken, d.Name)
		}
		proof.Erases = strings.Join(taken, " and ")
	}
	if r.NIC != nil && len(r.NIC.Taken) == 1 {
		proof.Port = r.NIC.Taken[0].Name
	}
	return proof, nil
}

// aim has the answer name both disks of a mirror as preflight would: by the
// kernel's names on this machine. It says which of them cannot be told.
func aim(p *profiles.Profile, node string, machine answer.Inventory) (*profiles.Profile, []string) {
	if !p.Mirrored() || machine.Disks == nil {
		return p, nil
	}
	out := *p
	out.Nodes = slices.Clone(p.Nodes)
	var wrong []string
	for i := range out.Nodes {
		n := &out.Nodes[i]
		if n.Name != node {
			continue
		}
		for _, d := range []struct {
			key string
			*profiles.DiskName
		}{{"root_disk", &n.RootDisk}, {"mirror_disk", &n.MirrorDisk}} {
			fits := disksOf(*d.DiskName, machine.Disks)
			if len(fits) != 1 {
				wrong = append(wrong, fmt.Sprintf("%s, %s, fits %s of this machine; name one by by_id", d.key, Erases(*d.DiskName), list(fits)))
				continue
			}
			*d.DiskName = profiles.DiskName{Kernel: path.Base(fits[0])}
		}
	}
	return &out, wrong
}

func list(names []string) string {
	if len(names) == 0 {
		return "no disk"
	}
	return fmt.Sprintf("%d disks (%s)", len(names), strings.Join(names, ", "))
}

// disksOf are the disks of an inventory that a name of the profile means.
func disksOf(d profiles.DiskName, all []answer.Device) []string {
	props, _ := diskname.Properties(d.ByID)
	var out []string
	for _, have := range all {
		fits := d.Kernel != "" && path.Base(have.Name) == d.Kernel
		fits = fits || diskname.SameSerial(d.Serial, have.Properties["ID_SERIAL"], have.Properties["ID_SERIAL_SHORT"])
		for _, p := range props {
			fits = fits || d.ByID != "" && have.Properties[p.Name] == p.Value
		}
		if fits {
			out = append(out, have.Name)
		}
	}
	return out
}
