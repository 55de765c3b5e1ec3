// Package draft writes the text of a profile: a first one of what is known of a
// cluster, with its guesses marked, and a node more into one that is there. What
// a person wrote stays as it is, comments among it.
package draft

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/form"
	"ringboot/profiles/spelling"
)

// Look is the mark of a line of a drafted profile that a person should look at.
const Look = "LOOK:"

// Known is what is known of a cluster before anybody wrote a profile. What is
// left out is as in the built-in profile. A value with a reason beside it is a
// guess, and its line is marked.
type Known struct {
	Name     string
	Nodes    []string // names, the founder first
	Prefix   Guess[netip.Prefix]
	Gateway  Guess[netip.Addr]
	DNS      Guess[[]netip.Addr]
	Taken    []netip.Addr // addresses of others: the nodes get none of them
	Zone     Guess[string]
	Keyboard Guess[string]
	KeyFiles Guess[[]string]
	Hardware []Hardware // of the nodes, in their order
	// Ring are the ring's ports by their paths, where all nodes have them, and
	// Transport what they are made of.
	Ring      Guess[[]profiles.RingPort]
	Transport Guess[string]
}

// Guess is a value, and where it is from; empty where a person said it.
type Guess[T any] struct {
	Value T
	From  string
}

// firstHost is the host number of the first node, where the network has it.
const firstHost = 11

// Text is the profile, commented like the built-in one. It is checked: the
// error is of type Problems where the parts do not fit together.
func (d Known) Text(name string) ([]byte, error) {
	base := profiles.Default()
	e := &editor{lines: strings.Split(string(profiles.DefaultText()), "\n")}
	if d.Name == "" {
		d.Name = base.Cluster.Name
	}
	if d.Nodes == nil {
		d.Nodes = base.NodeNames()
	}
	if !d.Prefix.Value.IsValid() {
		d.Prefix.Value = base.Management.Prefix
	}
	prefix := d.Prefix.Value.Masked()
	if !d.Gateway.Value.IsValid() {
		d.Gateway = Guess[netip.Addr]{prefix.Addr().Next(), "the first address of the network"}
	}
	if len(d.DNS.Value) == 0 {
		d.DNS = Guess[[]netip.Addr]{[]netip.Addr{d.Gateway.Value}, "the gateway"}
	}
	e.set("  name:", d.Name, "")
	e.set("  mail:", "root@"+d.Name+"."+base.Cluster.Domain, "")
	e.zone(d)
	e.set("  prefix:", prefix.String(), d.Prefix.From)
	e.set("  gateway:", d.Gateway.Value.String(), d.Gateway.From)
	e.set("  dns:", list(d.DNS.Value), d.DNS.From)
	ring := ringPrefix(base.Ring.Prefix, prefix)
	e.after("ring:").set("  prefix:", ring.String(), "")
	e.ring(d)
	if err := e.nodes(d, prefix, ring); err != nil {
		return nil, err
	}
	if len(d.KeyFiles.Value) > 0 {
		e.keys(d.KeyFiles)
	}
	text := []byte(strings.Join(e.lines, "\n"))
	_, err := profiles.Load(name, text)
	return text, err
}

func list[T fmt.Stringer](all []T) string {
	var out []string
	for _, v := range all {
		out = append(out, v.String())
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// ringPrefix is a network for the ring that the LAN does not overlap.
func ringPrefix(usual, lan netip.Prefix) netip.Prefix {
	for _, p := range []netip.Prefix{usual, netip.MustParsePrefix("172.31.204.0/24"), netip.MustParsePrefix("192.168.204.0/24")} {
		if !p.Overlaps(lan) {
			return p
		}
	}
	return usual
}

// editor changes lines of the built-in text and keeps its comments.
type editor struct {
	lines []string
	from  int
}

// after has what follows begin at a key of the first column.
func (e *editor) after(key string) *editor {
	return &editor{lines: e.lines, from: slices.IndexFunc(e.lines, func(l string) bool { return strings.HasPrefix(l, key) })}
}

// set gives the first line with that key another value. look marks it.
func (e *editor) set(key, value, look string) {
	for i := max(e.from, 0); i < len(e.lines); i++ {
		if rest, ok := strings.CutPrefix(e.lines[i], key); ok {
			_, comment, _ := strings.Cut(rest, " #")
			e.lines[i] = commented(key+" "+value, strings.TrimSpace(comment), look)
			return
		}
	}
}

// commentColumn is where comments stand in the built-in text.
const commentColumn = 30

func commented(line, comment, look string) string {
	if look != "" {
		comment = Look + " " + look
	}
	if comment == "" {
		return line
	}
	return fmt.Sprintf("%-*s# %s", commentColumn, line+" ", comment)
}

func (e *editor) zone(d Known) {
	if d.Zone.Value != "" {
		e.set("  timezone:", d.Zone.Value, d.Zone.From)
		if country := spelling.Shipped().CountryOfZone(d.Zone.Value); country != "" {
			e.set("  country:", country, "the country of the time zone")
		}
	}
	if d.Keyboard.Value != "" {
		e.set("  keyboard:", d.Keyboard.Value, d.Keyboard.From)
	}
}

// nodes writes the list of the nodes anew.
func (e *editor) nodes(d Known, lan, ring netip.Prefix) error {
	begin := slices.Index(e.lines, "nodes:")
	end := slices.IndexFunc(e.lines, func(l string) bool { return strings.HasPrefix(l, "# Accounts") })
	addresses, err := hosts(lan, len(d.Nodes), append(slices.Clone(d.Taken), append(d.DNS.Value, d.Gateway.Value)...))
	if err != nil {
		return err
	}
	look := ""
	if d.Prefix.From != "" {
		look = "free, and not one that your router hands out?"
	}
	block := []string{"nodes:"}
	at := ring.Addr()
	for range firstHost {
		at = at.Next()
	}
	for i, name := range d.Nodes {
		block = append(block, "  - name: "+name, commented("    address: "+addresses[i].String(), "", look), "    ring: "+at.String())
		known := Hardware{}
		if i < len(d.Hardware) {
			known = d.Hardware[i]
		}
		block = append(block, known.lines()...)
		at = at.Next()
	}
	e.lines = slices.Concat(e.lines[:begin], block, []string{""}, e.lines[end:])
	return nil
}

// Hardware is what is known of a node's machine. What is not is left empty.
type Hardware struct {
	Machine profiles.DMI
	Serial  string // of the disk to erase
	Disk    string // that disk in a few words
	MACs    []string
	Ring    []profiles.RingPort // by path, where they are not those of all
}

// ring names the ports of all nodes' rings, and what the ring is made of.
func (e *editor) ring(d Known) {
	if t, ok := profiles.TransportOf(d.Transport.Value); ok {
		e.after("ring:").set("  transport:", t.Name, d.Transport.From)
		e.after("ring:").set("  mtu:", strconv.Itoa(t.MTU), "")
	}
	for _, p := range d.Ring.Value {
		e.set("    - {name: "+p.Name+",", strings.TrimPrefix(line(p), "{name: "+p.Name+", "), d.Ring.From)
	}
}

func line(p profiles.RingPort) string {
	driver := ""
	if p.Driver != "" {
		driver = ", driver: " + p.Driver
	}
	return fmt.Sprintf("{name: %s, path: %q%s}", p.Name, p.Path, driver)
}

// lines are those of a node about its machine.
func (h Hardware) lines() []string {
	var out, keys []string
	if h.Machine.Serial != "" {
		keys = append(keys, fmt.Sprintf("serial: %q", h.Machine.Serial))
	}
	if h.Machine.UUID != "" {
		keys = append(keys, fmt.Sprintf("uuid: %q", h.Machine.UUID))
	}
	if len(keys) > 0 {
		out = append(out, "    machine: {"+strings.Join(keys, ", ")+"}")
	}
	if h.Serial != "" {
		out = append(out, commented(fmt.Sprintf("    root_disk: {serial: %q}", h.Serial), "", "erased, whatever is on it: "+h.Disk))
	} else {
		out = append(out, commented("    # root_disk: {serial: S649NX0R123456}", "", "else the only blank one of the smallest size"))
	}
	ports := "    ports: [{driver: igc}]"
	if len(h.MACs) > 1 {
		ports = commented(fmt.Sprintf("    ports: [{mac: %q}, {mac: %q}]", h.MACs[0], h.MACs[1]), "", "the two for people, not the ring's?")
	}
	out = append(out, ports)
	if len(h.Ring) > 0 {
		var each []string
		for _, p := range h.Ring {
			each = append(each, line(p))
		}
		out = append(out, commented("    ring_ports: ["+strings.Join(each, ", ")+"]", "", "not where the others have them"))
	}
	return out
}

// hosts are n addresses of a network that nobody is known to have.
func hosts(lan netip.Prefix, n int, taken []netip.Addr) ([]netip.Addr, error) {
	at := lan.Addr()
	size := 1 << (32 - lan.Bits())
	first := firstHost
	if size < 2*firstHost+n {
		first = 1
	}
	var out []netip.Addr
	for i := 0; i < size-1 && len(out) < n; i++ { // the last one is the broadcast address
		if i >= first && !slices.Contains(taken, at) {
			out = append(out, at)
		}
		at = at.Next()
	}
	if len(out) < n {
		return nil, form.Problems{{Path: "management.prefix", Text: fmt.Sprintf("%s has no room for %d nodes; name a larger network", lan, n)}}
	}
	return out, nil
}

// keys gives the users the builder's keys.
func (e *editor) keys(files Guess[[]string]) {
	line := commented("    key_files: ["+strings.Join(files.Value, ", ")+"]", "", files.From)
	var out []string
	inUsers := false
	for _, l := range e.lines {
		out = append(out, l)
		inUsers = l == "users:" || inUsers && (l == "" || strings.HasPrefix(l, " "))
		if inUsers && strings.HasPrefix(l, "  - name:") {
			out = append(out, line)
		}
	}
	e.lines = out
}

// Looks are the numbers of the lines that are marked.
func Looks(text []byte) []int {
	var out []int
	for i, l := range bytes.Split(text, []byte("\n")) {
		if bytes.Contains(l, []byte("# "+Look)) {
			out = append(out, i+1)
		}
	}
	return out
}
