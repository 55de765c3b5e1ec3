package management

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

const netClass = "/sys/class/net"

// Link is one physical network port as the kernel shows it.
type Link struct {
	Name    string
	MAC     string // permanent one, lower case
	Path    string // pci-0000:57:00.0, as udev's ID_PATH has it; "" if it is on no bus
	Driver  string
	Carrier bool
	Master  string // bridge or bond that it belongs to
}

// String describes the port as messages name it.
func (l Link) String() string {
	state := "no cable"
	if l.Carrier {
		state = "has a link"
	}
	return fmt.Sprintf("%s (%s, %s, %s)", l.Name, l.Driver, l.MAC, state)
}

// physicalLinks reads all ports that belong to a device, in the order in which a
// directory is read: by name.
func physicalLinks(f host.Files) ([]Link, error) {
	entries, err := f.ReadDir(netClass)
	if err != nil {
		return nil, err
	}
	var out []Link
	for _, e := range entries {
		dir := netClass + "/" + e.Name()
		if _, err := f.Readlink(dir + "/device"); err != nil || host.Exists(f, dir+"/wireless") || host.Exists(f, dir+"/phy80211") {
			continue // a bridge, a bond, a guest's port, or radio
		}
		l := Link{Name: e.Name(), MAC: word(f, dir+"/address"), Carrier: word(f, dir+"/carrier") == "1"}
		if perm := word(f, dir+"/bonding_slave/perm_hwaddr"); perm != "" {
			l.MAC = perm // all ports of a bond show one address
		}
		l.MAC = strings.ToLower(l.MAC)
		if master, err := f.Readlink(dir + "/master"); err == nil {
			l.Master = path.Base(master)
		}
		if driver, err := f.Readlink(dir + "/device/driver"); err == nil {
			l.Driver = path.Base(driver)
		}
		if device, err := f.Readlink(dir); err == nil {
			l.Path = host.BusPath(device)
		}
		out = append(out, l)
	}
	return out, nil
}

// word reads one word of a pseudo file; none is "".
func word(f host.Files, path string) string {
	text, err := f.ReadFile(path)
	if err != nil {
		return "" // reading the carrier of a port that is down is an error, too
	}
	return strings.TrimSpace(string(text))
}

// isRing reports whether a port is one of the ring's, which no bond ever gets.
func isRing(l Link, p *profiles.Profile, node profiles.Node) bool {
	for _, t := range profiles.Transports() {
		if t.Driver != "" && l.Driver == t.Driver || slices.Contains(t.InstallerNames, l.Name) {
			return true
		}
	}
	for _, r := range p.PortsOf(node) {
		switch {
		case r.Name == l.Name, r.Interface != "" && r.Interface == l.Name, r.MAC != "" && strings.EqualFold(r.MAC, l.MAC):
			return true
		case r.Path != "" && r.Path == l.Path && (r.Driver == "" || r.Driver == l.Driver):
			return true
		}
	}
	return false
}

// portName is how a port of the profile is called in messages.
func portName(p profiles.Port) string {
	switch {
	case p.MAC != "":
		return "mac " + p.MAC
	case p.Path != "":
		return "path " + p.Path
	case p.Interface != "":
		return "interface " + p.Interface
	}
	return "driver " + p.Driver
}

// errPorts is an error about ports that only a person can resolve.
var errPorts = errors.New("management ports")

func stopPorts(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errPorts, fmt.Sprintf(format, args...))
}

// choosePorts decides which ports the bond gets, the preferred one first. Its
// error names what to write into the profile; nothing is ever guessed.
func choosePorts(links []Link, p *profiles.Profile, node profiles.Node) ([]Link, error) {
	free := slices.DeleteFunc(slices.Clone(links), func(l Link) bool { return isRing(l, p, node) })
	if len(node.Ports) == 0 {
		return guessPorts(free)
	}
	var out []Link
	for _, want := range node.Ports {
		found := slices.DeleteFunc(slices.Clone(free), func(l Link) bool {
			switch {
			case want.MAC != "":
				return !strings.EqualFold(l.MAC, want.MAC)
			case want.Path != "":
				return l.Path != want.Path
			case want.Interface != "":
				return l.Name != want.Interface
			}
			return l.Driver != want.Driver
		})
		if len(found) == 0 {
			return nil, stopPorts("no port with %s on this machine, it has %s: correct nodes[].ports of %s in the profile", portName(want), describe(free), node.Name)
		}
		// By driver, the port that carries the network now is preferred.
		slices.SortStableFunc(found, func(a, b Link) int { return order(b) - order(a) })
		for _, l := range found {
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	if len(out) > 2 && slices.ContainsFunc(node.Ports, func(p profiles.Port) bool { return p.Driver != "" }) {
		return nil, stopPorts("more than two ports fit: %s; name two in nodes[].ports of %s by mac", describe(out), node.Name)
	}
	return out, nil
}

// order prefers the port under the bridge, then those with a cable.
func order(l Link) int {
	n := 0
	if l.Master != "" {
		n += 2
	}
	if l.Carrier {
		n++
	}
	return n
}

// managementDrivers are the drivers of ports that are built in for management.
var managementDrivers = [...]string{"igc", "e1000e", "igb", "r8169"}

// guessPorts is for a profile that names none: the port that carries the
// network now, and the one other that has a cable, if there is exactly one.
func guessPorts(free []Link) ([]Link, error) {
	var out, other []Link
	for _, l := range free {
		switch {
		case l.Master == bridgeName || l.Master == bondName:
			out = append(out, l)
		case l.Carrier && l.Master == "" && slices.Contains(managementDrivers[:], l.Driver):
			other = append(other, l)
		}
	}
	if len(out) == 0 {
		return nil, stopPorts("no port is under %s and the profile names none, this machine has %s: write two of them into nodes[].ports", bridgeName, describe(free))
	}
	if len(out)+len(other) > 2 {
		return nil, stopPorts("more than two ports could be meant, %s: write two of them into nodes[].ports by mac", describe(append(out, other...)))
	}
	return append(out, other...), nil
}

func describe(links []Link) string {
	if len(links) == 0 {
		return "none"
	}
	var out []string
	for _, l := range links {
		out = append(out, l.String())
	}
	return strings.Join(out, ", ")
}

// liveAddresses asks the kernel for the addresses of a link.
func liveAddresses(ctx context.Context, c host.Commands, family, link string) (string, error) {
	r, err := c.Run(ctx, host.Cmd{Argv: []string{"ip", family, "-o", "addr", "show", "dev", link}, ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(r.Stdout), err
}
