package layout

import (
	"fmt"
	"strings"

	"ringboot/profiles"
)

// File is one file that keeps the ring for the time without the agent.
type File struct {
	Path    string
	Content string
}

// Where the persistent part of the ring lies.
const (
	StanzaFile    = "/etc/network/interfaces.d/ringboot-ring"
	SysctlFile    = "/etc/sysctl.d/90-ringboot-ring.conf"
	ModulesFile   = "/etc/modules-load.d/ringboot-ring.conf"
	UdevFile      = "/etc/udev/rules.d/90-ringboot-ring.rules"
	FloorUnitFile = "/etc/systemd/system/ringboot-ring@.service"
	linkDir       = "/etc/systemd/network/"
)

const written = "# Written by ringboot for the time when its agent does not run. Changes are undone.\n"

// Modules are the kernel modules that the ring needs on every node: the network
// of one end of a Thunderbolt cable is born only when both have them.
func Modules(cfg Config) []string { return cfg.Transport.Modules }

// Floor renders all files of the persistent part, with the given peers at the two ports.
func Floor(cfg Config, peers []string) []File {
	if s := cfg.Segment; s != nil && s.Lent {
		return nil // the step management keeps the device
	}
	var out []File
	for _, p := range cfg.finders() {
		if text := linkFile(cfg, p); text != "" {
			out = append(out, File{LinkFile(p.Name), text})
		}
	}
	if m := Modules(cfg); len(m) > 0 {
		out = append(out, File{ModulesFile, written + strings.Join(m, "\n") + "\n"})
	}
	if cfg.KeepHost {
		// The controller is not reset when its driver is loaded.
		out = append(out, File{ModuleFile, written + "options thunderbolt host_reset=0\n"})
	}
	if s := cfg.Segment; s != nil {
		return append(out, File{StanzaFile, s.stanzas(cfg)}, File{FilterFile, filterFile(cfg)}, File{UdevFile, udevFile(cfg)}, File{FloorUnitFile, floorUnit})
	}
	return append(out,
		File{SysctlFile, sysctlFile(cfg)},
		File{StanzaFile, stanzas(cfg, peers)},
		File{FilterFile, filterFile(cfg)},
		File{UdevFile, udevFile(cfg)},
		File{FloorUnitFile, floorUnit},
	)
}

// finders are the ports that udev knows: on a switch those below the device.
func (c Config) finders() []profiles.RingPort {
	if c.Segment != nil {
		return c.Segment.Under
	}
	return c.Ports
}

// LinkFile is where the name of a port is kept. 00 sorts before the files that
// Proxmox VE writes by MAC, and the first match wins.
func LinkFile(port string) string { return linkDir + "00-ringboot-" + port + ".link" }

// linkFile gives a port its name, or is empty where it has it already.
func linkFile(cfg Config, p profiles.RingPort) string {
	var match string
	switch {
	case p.Port != 0:
		return "" // udev's rule names it: a .link file knows no port of a controller
	case p.Path != "":
		match = "Path=" + p.Path + "\n"
	case p.MAC != "":
		match = "PermanentMACAddress=" + p.MAC + "\n"
	case p.Interface == p.Name:
		return ""
	default:
		match = "OriginalName=" + p.Interface + "\n"
	}
	if p.Driver != "" {
		// Other devices hang below the same PCI function.
		match += "Driver=" + p.Driver + "\n"
	}
	set := "Name=" + p.Name + "\n" + fmt.Sprintf("MTUBytes=%d\n", cfg.MTU)
	if cfg.Transport.Address == profiles.AddressDriver {
		// The driver makes the address; a policy would set another one at each plug.
		set = "MACAddressPolicy=none\n" + set
	}
	return written + "[Match]\n" + match + "\n[Link]\n" + set
}

// sysctlFile holds the settings for both ports, there or not. udev applies
// them again to each device that appears.
func sysctlFile(cfg Config) string {
	b := strings.Builder{}
	b.WriteString(written)
	for _, s := range Sysctls(cfg) {
		fmt.Fprintf(&b, "-%s = %s\n", s.Path, s.Value)
	}
	return b.String()
}

// stanzas is the ring for ifupdown2: what the agent does, as commands that may
// be run any number of times.
func stanzas(cfg Config, peers []string) string {
	b := strings.Builder{}
	b.WriteString(written)
	for i, p := range cfg.Ports {
		fmt.Fprintf(&b, "\nauto %[1]s\niface %[1]s inet manual\n\tmtu %[2]d\n", p.Name, cfg.MTU)
		for _, line := range floorCommands(cfg, peers, i) {
			fmt.Fprintf(&b, "\tup %s\n", line)
		}
	}
	return b.String()
}

// allThere is a node that has all of its ports.
func allThere(cfg Config) Desired {
	var d Desired
	for i := range cfg.Ports {
		d.Ports = append(d.Ports, i+1)
	}
	return d
}

// floorCommands are the commands for one port.
func floorCommands(cfg Config, peers []string, port int) []string {
	name := cfg.Ports[port].Name
	out := []string{
		"nft -f " + FilterFile,
		fmt.Sprintf("ip address replace %s/32 dev lo", cfg.Addr),
		fmt.Sprintf("ip address replace %s/32 dev %s", cfg.Addr, name),
	}
	d := Desired{Ports: make([]int, len(cfg.Ports))}
	d.Ports[port] = port + 1
	var states []LinkState
	for _, p := range peers {
		states = append(states, LinkState{Peer: p})
	}
	for _, s := range sysctls(cfg, d) {
		out = append(out, fmt.Sprintf("sysctl -qw %s=%s", s.Path, s.Value))
	}
	d = allThere(cfg) // only routes over this port are written
	for _, peer := range cfg.Peers {
		for _, r := range routesTo(cfg, d, states, peer) {
			if r.Link != port+1 {
				continue
			}
			way := "scope link"
			if r.Via.IsValid() {
				way = "via " + r.Via.String() + " onlink"
			}
			dev := strings.Replace(way, " onlink", " dev "+name+" onlink", 1)
			if !r.Via.IsValid() {
				dev = "dev " + name + " " + way
			}
			out = append(out, fmt.Sprintf("ip route replace %s/32 %s src %s metric %d proto static", r.Dst, dev, r.Src, r.Metric))
		}
	}
	return out
}

// awake keeps the controllers of Thunderbolt and the routers on their bus from
// sleeping: one that slept while the far end restarted may not wake for it.
const awake = `ACTION=="add|bind|change", SUBSYSTEM=="pci", DRIVER=="thunderbolt", TEST=="power/control", ATTR{power/control}="on"
ACTION=="add|change", SUBSYSTEM=="thunderbolt", TEST=="power/control", ATTR{power/control}="on"
`

// ModuleFile holds what the driver is told when it is loaded.
const ModuleFile = "/etc/modprobe.d/ringboot-ring.conf"

// Triggers are the devices of the transport that udev looks at again when the
// rules were written: they were there before.
func Triggers(cfg Config) [][]string {
	if cfg.Transport.Controllers != profiles.ControllersUSB4 {
		return nil
	}
	return [][]string{
		{"udevadm", "trigger", "--action=change", "--subsystem-match=thunderbolt"},
		{"udevadm", "trigger", "--action=change", "--subsystem-match=pci", "--property-match=DRIVER=thunderbolt"},
	}
}

// udevFile starts the unit below whenever a port appears or gets its name:
// ifupdown2 may have run before the device was there.
func udevFile(cfg Config) string {
	b := strings.Builder{}
	b.WriteString(written)
	if cfg.Transport.Controllers == profiles.ControllersUSB4 {
		b.WriteString(awake)
	}
	for _, p := range cfg.finders() {
		if p.Port != 0 {
			// The service, its driver and the controller's port are one device above.
			fmt.Fprintf(&b, "ACTION==\"add\", SUBSYSTEM==\"net\", ENV{ID_PATH}==\"%s\", KERNELS==\"[0-9]*-%x.[0-9]*\", DRIVERS==\"%s\", NAME=\"%s\"\n",
				p.Path, p.Port, cfg.Transport.Driver, p.Name)
		}
		fmt.Fprintf(&b, "ACTION==\"add|move\", SUBSYSTEM==\"net\", KERNEL==\"%[1]s\", TAG+=\"systemd\", ENV{SYSTEMD_WANTS}+=\"ringboot-ring@%[1]s.service\"\n", p.Name)
		fmt.Fprintf(&b, "ACTION==\"add\", SUBSYSTEM==\"net\", NAME==\"%[1]s\", KERNEL!=\"%[1]s\", TAG+=\"systemd\", ENV{SYSTEMD_WANTS}+=\"ringboot-ring@%[1]s.service\"\n", p.Name)
	}
	return b.String()
}

const floorUnit = written + `[Unit]
Description=Addresses and routes of ring port %i
Documentation=file://` + StanzaFile + `
After=networking.service
StartLimitBurst=5

[Service]
Type=oneshot
ExecStart=/usr/sbin/ifup --force %i
# Another ifup may hold the lock.
Restart=on-failure
RestartSec=3
`
