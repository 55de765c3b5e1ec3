package profiles

import "fmt"

// Risks names the weaknesses that a profile has by consent or by ignorance,
// for one node: each is one sentence that ends with the remedy.
func (p *Profile) Risks(node string) []string {
	n, ok := p.Node(node)
	if !ok {
		return nil
	}
	var out []string
	if n.RootDisk.Kernel != "" {
		out = append(out, fmt.Sprintf("%s: the disk to erase is named as the kernel counts (%s), and another disk may have that name next time: name it by serial, or build with --root-disk SERIAL", n.Name, n.RootDisk.Kernel))
	}
	for _, d := range n.OSDDisks {
		if d.Kernel != "" {
			out = append(out, fmt.Sprintf("%s: a disk for Ceph is named as the kernel counts (%s): name it by serial", n.Name, d.Kernel))
		}
	}
	drivers := 0
	for _, port := range n.Ports {
		if port.Driver != "" {
			drivers++
			out = append(out, fmt.Sprintf("%s: the management ports are found by their driver (%s), and the installer takes the first that it meets: name them by mac", n.Name, port.Driver))
		}
	}
	if drivers == 0 && len(n.Ports) == 1 {
		out = append(out, fmt.Sprintf("%s: the management network hangs on one port: add a second", n.Name))
	}
	if len(n.Wipe) > 0 {
		out = append(out, fmt.Sprintf("%s: used disks may be erased for Ceph, by your consent: serials %v", n.Name, n.Wipe))
	}
	if n.Replace {
		out = append(out, fmt.Sprintf("%s: this machine may take the place of a lost one of its name: take replace out once it has", n.Name))
	}
	return out
}
