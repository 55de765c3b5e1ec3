package ring

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

// Modules are the kernel modules that a Thunderbolt ring needs on every node:
// the network of one end is born only when both have them.
func Modules(cfg Config) []string {
	if cfg.Transport == profiles.TransportThunderbolt {
		return []string{"thunderbolt", "thunderbolt_net"}
	}
	return nil
}

// Floor renders all files of the persistent part, with the given peers at the two ports.
func Floor(cfg Config, peers [Ports]string) []File {
	var out []File
	for _, p := range cfg.Ports {
		if text := linkFile(cfg, p); text != "" {
			out = append(out, File{LinkFile(p.Name), text})
		}
	}
	if m := Modules(cfg); len(m) > 0 {
		out = append(out, File{ModulesFile, written + strings.Join(m, "\n") + "\n"})
	}
	return append(out,
		File{SysctlFile, sysctlFile(cfg)},
		File{StanzaFile, stanzas(cfg, peers)},
		File{UdevFile, udevFile(cfg)},
		File{FloorUnitFile, floorUnit},
	)
}

// LinkFile is where the name of a port is kept. 00 sorts before the files that
// Proxmox VE writes by MAC, and the first match wins.
func LinkFile(port string) string { return linkDir + "00-ringboot-" + port + ".link" }

// linkFile gives a port its name, or is empty where it has it already.
func linkFile(cfg Config, p profiles.RingPort) string {
	var match string
	switch {
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
	if cfg.Transport == profiles.TransportThunderbolt {
		// The driver makes the address; a policy would set another one at each plug.
		set = "MACAddressPolicy=none\n" + set
	}
	return written + "[Match]\n" + match + "\n[Link]\n" + set
}

// sysctlFile holds the settings for both ports, there or not. udev applies
// them again to each device that appears.
func sysctlFile(cfg Config) string {
	all := Desired{}
	for i := range all.Ports {
		all.Ports[i] = i + 1
	}
	b := strings.Builder{}
	b.WriteString(written)
	for _, s := range sysctls(cfg, all) {
		fmt.Fprintf(&b, "-%s = %s\n", s.Path, s.Value)
	}
	return b.String()
}

// stanzas is the ring for ifupdown2: what the agent does, as commands that may
// be run any number of times.
func stanzas(cfg Config, peers [Ports]string) string {
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

// floorCommands are the commands for one port.
func floorCommands(cfg Config, peers [Ports]string, port int) []string {
	name := cfg.Ports[port].Name
	out := []string{
		fmt.Sprintf("ip address replace %s/32 dev lo", cfg.Addr),
		fmt.Sprintf("ip address replace %s/32 dev %s", cfg.Addr, name),
	}
	var d Desired
	d.Ports[port] = port + 1
	states := [Ports]LinkState{{Peer: peers[0]}, {Peer: peers[1]}}
	for _, s := range sysctls(cfg, d) {
		out = append(out, fmt.Sprintf("sysctl -qw %s=%s", s.Path, s.Value))
	}
	for i := range d.Ports {
		d.Ports[i] = i + 1 // as if both were there; only those over this port are written
	}
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

// udevFile starts the unit below whenever a port appears or gets its name:
// ifupdown2 may have run before the device was there.
func udevFile(cfg Config) string {
	b := strings.Builder{}
	b.WriteString(written)
	for _, p := range cfg.Ports {
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
