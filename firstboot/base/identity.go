package base

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/profiles/diskname"
)

const (
	hostnameFile = "/etc/hostname"
	hostsFile    = "/etc/hosts"
	kernelName   = "/proc/sys/kernel/hostname"
)

// Identity is step 1: the node knows who it is, and the machine agrees.
type Identity struct {
	host    host.Host
	version string // of the agent
}

// NewIdentity returns step 1.
func NewIdentity(h host.Host, version string) *Identity { return &Identity{host: h, version: version} }

// Name is "identity".
func (*Identity) Name() string { return profiles.StepIdentity }

// Recheck says that the verdict keeps for a minute.
func (*Identity) Recheck() time.Duration { return time.Minute }

// Check reads the seed and compares it with the machine.
func (s *Identity) Check(ctx context.Context) (step.Verdict, error) {
	own, err := LoadSeed(s.host.Files)
	if err != nil {
		return step.Stop(err.Error()), nil
	}
	name, err := s.hostname()
	if err != nil {
		return step.Verdict{}, err
	}
	if name != own.Node.Name {
		// Never renamed here: pmxcfs and its certificates hang on the name.
		return step.Stop(fmt.Sprintf("this machine is called %s and its seed is for %s: install it from the image of %s, or give it the seed of %s",
			name, own.Node.Name, name, name)), nil
	}
	if why := wrongMachine(inventory.RootDisks(s.host.Files), own.Profile, own.Node); why != "" {
		return step.Stop(why), nil
	}
	var v step.Verdict
	if risk := own.ClockRisk(s.host.Clock.Now()); risk != "" {
		v.Risks = append(v.Risks, risk)
	}
	hosts, err := host.ReadOptional(s.host.Files, hostsFile)
	if err != nil {
		return step.Verdict{}, err
	}
	if at, ok := resolve(hosts, name); !ok || at.IsLoopback() {
		have := "no address"
		if ok {
			have = at.String()
		}
		v.State, v.Reason = step.Todo, fmt.Sprintf("%s resolves to %s in %s and must resolve to %s", name, have, hostsFile, own.Node.Address)
		v.Changes = []step.Change{{Object: hostsFile, Have: have, Want: own.Node.Address.String() + " " + name}}
		return v, nil
	}
	v.State, v.Reason = step.Done, fmt.Sprintf("%s of cluster %s (%s)", name, own.Profile.Cluster.Name, own.Seed.ClusterID)
	return v, nil
}

// wrongMachine compares the disks that carry / with the plan: a stick in the
// wrong machine is found out here. Where the plan names no disk that a machine
// can be told by, or the disks cannot be read, nothing is said.
func wrongMachine(root []inventory.Disk, p *profiles.Profile, node profiles.Node) string {
	is := func(want profiles.DiskName) bool {
		return slices.ContainsFunc(root, func(d inventory.Disk) bool {
			switch {
			case want.Serial != "":
				return want.Serial == d.Serial || diskname.SameSerial(want.Serial, d.Properties["ID_SERIAL"], d.Properties["ID_SERIAL_SHORT"])
			case want.ByID != "":
				return slices.ContainsFunc(d.ByID, func(link string) bool { return diskname.SameByID(link, want.ByID) })
			}
			return false
		})
	}
	exact := node.RootDisk.Serial != "" || node.RootDisk.ByID != ""
	// One disk of a mirror is enough: the other may have been replaced since.
	if !exact || slices.ContainsFunc(node.SystemDisks(), is) || !slices.ContainsFunc(root, func(d inventory.Disk) bool { return d.Serial != "" }) {
		return ""
	}
	for _, other := range p.Others(node.Name) {
		if slices.ContainsFunc(other.SystemDisks(), is) {
			return fmt.Sprintf("this is the machine of %s by its root disk (serial %s), and it was installed as %s: install it with the image of %s", other.Name, root[0].Serial, node.Name, other.Name)
		}
	}
	return fmt.Sprintf("the root disk of this machine has serial %s and the plan of %s says %s: the wrong machine, or a new disk; correct root_disk in the profile and build a new image",
		root[0].Serial, node.Name, cmp.Or(node.RootDisk.Serial, node.RootDisk.ByID))
}

// Apply makes the node's name resolve to its own address.
func (s *Identity) Apply(ctx context.Context) error {
	own, err := LoadSeed(s.host.Files)
	if err != nil {
		return err
	}
	return writeHosts(s.host.Files, own.Profile)
}

// hostname is the kernel's, or at the very start that of the file.
func (s *Identity) hostname() (string, error) {
	for _, path := range []string{kernelName, hostnameFile} {
		text, err := host.ReadOptional(s.host.Files, path)
		if err != nil {
			return "", err
		}
		if name, _, _ := strings.Cut(strings.TrimSpace(string(text)), "."); name != "" && name != "(none)" {
			return name, nil
		}
	}
	return "", fmt.Errorf("the machine has no host name: write it to %s and restart", hostnameFile)
}

// resolve returns the first address of a name in the text of a hosts file, as
// the resolver of the C library takes it.
func resolve(hosts []byte, name string) (netip.Addr, bool) {
	for line := range strings.Lines(string(hosts)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		for _, n := range fields[1:] {
			if strings.EqualFold(n, name) {
				if at, err := netip.ParseAddr(fields[0]); err == nil {
					return at, true
				}
			}
		}
	}
	return netip.Addr{}, false
}
