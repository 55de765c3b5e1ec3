package step

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
)

const (
	interfacesFile = "/etc/network/interfaces"
	interfacesNew  = "/etc/network/interfaces.new" // what the web interface has not applied yet
	bridgeName     = "vmbr0"
	bondName       = "bond0"
	sourceLine     = "source /etc/network/interfaces.d/*"
)

// ifaceStanza is one piece of an interfaces file: a stanza with its lines, or lines
// that belong to none.
type ifaceStanza struct {
	kind  string // iface, auto, source, other
	name  string
	lines []string
}

// parseInterfaces cuts the text of an interfaces(5) file into pieces. Joined,
// they are the text again.
func parseInterfaces(text string) []ifaceStanza {
	var out []ifaceStanza
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		fields := strings.Fields(line)
		kind, name := "other", ""
		if len(fields) > 0 {
			switch fields[0] {
			case "iface":
				kind = "iface"
			case "auto", "allow-hotplug":
				kind = "auto"
			case "source", "source-directory":
				kind = "source"
			case "mapping", "rename":
				kind = "mapping"
			}
			if len(fields) > 1 {
				name = fields[1]
			}
		}
		last := len(out) - 1
		inside := last >= 0 && (out[last].kind == "iface" || out[last].kind == "mapping") && kind == "other"
		if inside && len(fields) > 0 && !strings.HasPrefix(line, "#") {
			out[last].lines = append(out[last].lines, line)
			continue
		}
		if kind == "other" {
			name = ""
		}
		out = append(out, ifaceStanza{kind, name, []string{line}})
	}
	return out
}

// wantInterfaces is the text of /etc/network/interfaces with the bond under
// the bridge: foreign stanzas stay as they are, those of bridge, bond and its
// ports are replaced, and everything stands above the source line.
func wantInterfaces(have string, p *profiles.Profile, node profiles.Node, ports []string) string {
	ours := map[string]bool{bridgeName: true, bondName: true}
	for _, name := range ports {
		ours[name] = true
	}
	var kept []string
	for _, s := range parseInterfaces(have) {
		switch {
		case s.kind == "source" && slices.Contains(s.lines, sourceLine):
			continue
		case s.kind == "auto":
			if line := autoWithout(s.lines[0], ours); line != "" {
				kept = append(kept, line)
			}
			continue
		case s.kind == "iface" && (ours[s.name] || s.name == "thunderbolt0" || s.name == "thunderbolt1"):
			continue // the installer writes stanzas for ports that get another name
		}
		kept = append(kept, s.lines...)
	}
	if !slices.ContainsFunc(kept, func(l string) bool { return strings.HasPrefix(l, "iface lo ") }) {
		kept = append([]string{"auto lo", "iface lo inet loopback", ""}, kept...)
	}
	var out strings.Builder
	out.WriteString(tidy(kept) + "\n")
	for _, name := range ports {
		fmt.Fprintf(&out, "iface %s inet manual\n\n", name)
	}
	fmt.Fprintf(&out, "auto %s\niface %s inet manual\n\tbond-slaves %s\n\tbond-mode active-backup\n\tbond-primary %s\n\tbond-miimon 100\n\n",
		bondName, bondName, strings.Join(ports, " "), ports[0])
	fmt.Fprintf(&out, "auto %s\niface %s inet static\n\taddress %s/%d\n", bridgeName, bridgeName, node.Address, p.Management.Prefix.Bits())
	if p.Management.Gateway.IsValid() {
		fmt.Fprintf(&out, "\tgateway %s\n", p.Management.Gateway)
	}
	fmt.Fprintf(&out, "\tbridge-ports %s\n\tbridge-stp off\n\tbridge-fd 0\n\n%s\n", bondName, sourceLine)
	return out.String()
}

// autoWithout takes names out of an auto line; "" if none is left.
func autoWithout(line string, ours map[string]bool) string {
	fields := strings.Fields(line)
	rest := slices.DeleteFunc(slices.Clone(fields[1:]), func(n string) bool {
		return ours[n] || n == "thunderbolt0" || n == "thunderbolt1"
	})
	switch {
	case len(rest) == 0:
		return ""
	case len(rest) == len(fields)-1:
		return line
	}
	return fields[0] + " " + strings.Join(rest, " ")
}

// tidy joins lines with at most one empty one between them.
func tidy(lines []string) string {
	var out []string
	for _, l := range lines {
		if l == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, l)
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n") + "\n"
}
