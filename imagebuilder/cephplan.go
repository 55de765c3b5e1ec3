package imagebuilder

import (
	"fmt"

	"ringboot/profiles"
)

// Ceph says in a few words what the nodes make of their disks together.
func Ceph(p *profiles.Profile) string {
	if !p.Ceph.Enabled {
		return "none"
	}
	name := p.Ceph.Version
	for _, r := range p.Release().Ceph {
		if r.Name == name {
			name += " (" + r.Version + ")"
		}
	}
	public, cluster := p.CephNetworks()
	text := fmt.Sprintf("%s over the %s, pool %s", name, public, p.Ceph.Pool)
	if cluster != public {
		text += fmt.Sprintf(", copies over the %s (%s)", cluster, p.Prefix(cluster))
	}
	if p.Ceph.TargetSizeRatio > 0 {
		text += fmt.Sprintf(" for %g of the storage", p.Ceph.TargetSizeRatio)
	}
	switch memory := p.Ceph.OSDMemory; memory {
	case "":
	case profiles.AutoMemory:
		text += ", memory of the OSDs by that of the machine"
	default:
		text += ", " + memory + " GiB of memory for each OSD"
	}
	if p.Ceph.Encrypted {
		text += ", OSDs encrypted"
	}
	return text
}
