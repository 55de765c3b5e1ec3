package management

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	interfacesFile = "/etc/network/interfaces"
	interfacesNew  = "/etc/network/interfaces.new" // what the web interface has not applied yet
	bridgeName     = profiles.ManagementBridge
	bondName       = profiles.ManagementBond
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

// option is one line that a stanza must have. Values are compared as they are
// meant: the order of ports is no difference, 1 is active-backup.
type option struct {
	key, value string
	same       func(have string) bool // nil: the text itself
	// free says that what is there may be replaced unasked: it names nothing but
	// what the step is about to put together in another way.
	free func(have string) bool
	// lax says that any value will do, once there is one.
	lax bool
}

// edit is one line of the file that is to change.
type edit struct {
	iface string
	have  string // "": the line is added
	want  string
	free  bool // nobody has to agree
}

func (e edit) change() step.Change {
	key, value, _ := strings.Cut(e.want, " ")
	_, have, _ := strings.Cut(e.have, " ")
	return step.Change{Object: e.iface + " " + key, Have: have, Want: value}
}

// handmade are the lines that somebody wrote and that contradict the profile.
func handmade(edits []edit) (out []string) {
	for _, e := range edits {
		if e.have != "" && !e.free {
			out = append(out, fmt.Sprintf("%s: %q, the profile says %q", e.iface, e.have, e.want))
		}
	}
	return out
}

// wantInterfaces is the text of /etc/network/interfaces with the bond under
// the bridge, and what of it is new. Of what is there only the lines that
// contradict the profile change: VLANs, IPv6, MTU, further addresses, comments
// and foreign stanzas stay as they are. Stanzas of our own are written in the order
// in which Proxmox VE's own interface writes them.
func wantInterfaces(have string, p *profiles.Profile, node profiles.Node, ports []string) (string, []edit) {
	f := &interfaces{pieces: parseInterfaces(have)}
	m, uplink := p.Management, p.Management.Uplink()
	way := profiles.BondOf(m.Bond)
	bond := []option{
		{key: "bond-slaves", value: strings.Join(ports, " "), same: sameWords(ports), free: within(ports)},
		{key: "bond-miimon", value: "100", lax: true},
		{key: "bond-mode", value: way.Mode, same: func(h string) bool { return h == way.Number }},
	}
	if way.Alone {
		bond = append(bond, option{key: "bond-primary", value: ports[0], same: within(ports)})
	} else {
		bond = append(bond, option{key: "bond-xmit-hash-policy", value: "layer2+3", lax: true})
	}
	bridge := []option{{key: "address", value: fmt.Sprintf("%s/%d", node.Address, p.Management.Prefix.Bits()), same: func(h string) bool { return h == node.Address.String() }}}
	if p.Management.Gateway.IsValid() {
		bridge = append(bridge, option{key: "gateway", value: p.Management.Gateway.String()})
	}
	bridge = append(bridge,
		option{key: "bridge-ports", value: uplink, same: func(h string) bool { return slices.Contains(strings.Fields(h), uplink) },
			free: func(h string) bool {
				return within(append([]string{bondName}, ports...))(h) || f.plain(bridgeName) && len(strings.Fields(h)) == 1 && !strings.Contains(h, ".") // no installer writes a tag
			}},
		option{key: "bridge-stp", value: "off", lax: true}, option{key: "bridge-fd", value: "0", lax: true})
	if m.VLANAware {
		bridge = append(bridge, option{key: "bridge-vlan-aware", value: "yes"}, option{key: "bridge-vids", value: "2-4094", lax: true})
	}
	var size []option
	if m.MTU != 0 {
		size = []option{{key: "mtu", value: strconv.Itoa(m.MTU)}}
	}
	bond, bridge = append(bond, size...), append(bridge, size...)
	at := f.find(bridgeName, "inet")
	for _, name := range ports {
		at = f.ensure(at, name, "manual", false, size)
	}
	at = f.ensure(at, bondName, "manual", true, bond)
	if uplink != bondName {
		at = f.ensure(at, uplink, "manual", true, size) // its name says tag and bond
	}
	f.ensure(at, bridgeName, "static", true, bridge)
	f.six(m, node)
	if len(f.edits) == 0 && f.sourced() {
		return have, nil
	}
	return f.text(), f.edits
}

// sameWords compares lists whatever their order.
func sameWords(want []string) func(string) bool {
	return func(have string) bool {
		a, b := strings.Fields(have), slices.Clone(want)
		slices.Sort(a)
		slices.Sort(b)
		return slices.Equal(a, b)
	}
}

// within reports whether a line names nothing but some of these ports.
func within(ports []string) func(string) bool {
	return func(have string) bool {
		words := strings.Fields(have)
		return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(ports, w) })
	}
}

// interfaces is a file under change.
type interfaces struct {
	pieces []ifaceStanza
	edits  []edit
}

// find is the place of a stanza, or -1. Inet tells it from the one for IPv6.
func (f *interfaces) find(name, family string) int {
	return slices.IndexFunc(f.pieces, func(s ifaceStanza) bool {
		fields := strings.Fields(s.lines[0])
		return s.kind == "iface" && s.name == name && (len(fields) < 3 || fields[2] == family)
	})
}

// ensure brings one stanza to what it must have, makes it before the place
// where the bridge is if there is none, and returns where the bridge is then.
func (f *interfaces) ensure(bridge int, name, method string, auto bool, options []option) int {
	at := f.find(name, "inet")
	if at < 0 {
		lines := []string{fmt.Sprintf("iface %s inet %s", name, method)}
		f.edits = append(f.edits, edit{iface: name, want: lines[0], free: true})
		for _, o := range options {
			lines = append(lines, "\t"+o.key+" "+o.value)
		}
		fresh := []ifaceStanza{{"iface", name, lines}, {"other", "", []string{""}}}
		if auto && !f.auto(name) {
			fresh = append([]ifaceStanza{{"auto", name, []string{"auto " + name}}}, fresh...)
		}
		return f.insert(bridge, fresh)
	}
	f.method(at, "inet", method)
	for _, o := range options {
		f.set(at, o)
	}
	if auto && !f.auto(name) {
		f.pieces = slices.Insert(f.pieces, at, ifaceStanza{"auto", name, []string{"auto " + name}})
		f.edits = append(f.edits, edit{iface: name, want: "auto " + name, free: true})
		if bridge >= at {
			bridge++
		}
	}
	return bridge
}

// insert puts stanzas above the bridge and its auto line, or at the end.
func (f *interfaces) insert(bridge int, fresh []ifaceStanza) int {
	at := bridge
	if at < 0 {
		at = len(f.pieces)
		if i := slices.IndexFunc(f.pieces, func(s ifaceStanza) bool { return s.kind == "source" }); i >= 0 {
			at = i
		}
		f.pieces = slices.Insert(f.pieces, at, fresh...)
		return -1
	}
	for at > 0 && f.pieces[at-1].kind == "auto" && f.pieces[at-1].name == bridgeName {
		at--
	}
	f.pieces = slices.Insert(f.pieces, at, fresh...)
	return bridge + len(fresh)
}

// plain reports whether a stanza that is there is as the installer writes it: nobody
// has put a line of his own into it.
func (f *interfaces) plain(name string) bool {
	return !slices.ContainsFunc(f.pieces[f.find(name, "inet")].lines[1:], func(line string) bool {
		key, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		return !slices.Contains([]string{"address", "gateway", "bridge-ports", "bridge-stp", "bridge-fd"}, key)
	})
}

// auto reports whether a port comes up by itself.
func (f *interfaces) auto(name string) bool {
	return slices.ContainsFunc(f.pieces, func(s ifaceStanza) bool {
		return s.kind == "auto" && slices.Contains(strings.Fields(s.lines[0])[1:], name)
	})
}

// method sets how a stanza gets its address.
func (f *interfaces) method(at int, family, method string) {
	s := &f.pieces[at]
	fields := strings.Fields(s.lines[0])
	if len(fields) > 3 && fields[3] == method || len(fields) < 4 {
		return
	}
	want := fmt.Sprintf("iface %s %s %s", s.name, family, method)
	f.edits = append(f.edits, edit{iface: s.name, have: s.lines[0], want: want})
	s.lines[0] = want
}

// set brings one line of a stanza to what it must say. A stanza may have an
// address more than once: ours must be among them.
func (f *interfaces) set(at int, o option) {
	s := &f.pieces[at]
	first := 0 // the line that says something else
	for i, line := range s.lines[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value = strings.TrimSpace(value); strings.ReplaceAll(key, "_", "-") != o.key && key != alias(o.key) {
			continue
		}
		if o.lax || value == o.value || o.same != nil && o.same(value) {
			return
		}
		if first == 0 {
			first = i + 1
		}
	}
	want := o.key + " " + o.value
	if first == 0 {
		f.edits = append(f.edits, edit{iface: s.name, want: want, free: true})
		s.lines = append(s.lines, "\t"+want)
		return
	}
	have := strings.TrimSpace(s.lines[first])
	_, value, _ := strings.Cut(have, " ")
	f.edits = append(f.edits, edit{iface: s.name, have: have, want: want, free: o.free != nil && o.free(strings.TrimSpace(value))})
	s.lines[first] = "\t" + want
}

// alias is the older name of an option, with which ifupdown2 means the same.
func alias(key string) string { return map[string]string{"bond-slaves": "slaves"}[key] }

// sourced reports whether the ring's part of the network is read as well.
func (f *interfaces) sourced() bool {
	return slices.ContainsFunc(f.pieces, func(s ifaceStanza) bool { return s.kind == "source" && slices.Contains(s.lines, sourceLine) })
}

// text is the file. What the installer wrote for ports that get another name
// goes, and the source line comes last where it is new.
func (f *interfaces) text() string {
	var lines []string
	if f.find("lo", "inet") < 0 {
		lines = append(lines, "auto lo", "iface lo inet loopback", "")
	}
	for _, s := range f.pieces {
		switch {
		case s.kind == "auto":
			if line := autoWithout(s.lines[0]); line != "" {
				lines = append(lines, line)
			}
		case s.kind == "iface" && strayName(s.name):
		default:
			lines = append(lines, s.lines...)
		}
	}
	if !f.sourced() {
		lines = append(lines, "", sourceLine)
	}
	return tidy(lines)
}

// autoWithout takes those names out of an auto line; "" if none is left.
func autoWithout(line string) string {
	fields := strings.Fields(line)
	rest := slices.DeleteFunc(slices.Clone(fields[1:]), strayName)
	switch {
	case len(rest) == 0:
		return ""
	case len(rest) == len(fields)-1:
		return line
	}
	return fields[0] + " " + strings.Join(rest, " ")
}

// strayName reports whether the installer writes a stanza of this name for a
// port of the ring, which gets another one.
func strayName(name string) bool {
	return slices.ContainsFunc(profiles.Transports(), func(t profiles.Transport) bool { return slices.Contains(t.InstallerNames, name) })
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
