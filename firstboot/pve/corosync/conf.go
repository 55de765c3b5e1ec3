// Package corosync is the grammar of corosync.conf(5), as far as it matters, in
// the form in which Proxmox VE writes it.
//
// It is pure: where the file lies, and who may write it when, is its caller's.
package corosync

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Conf is what matters of a corosync.conf(5).
type Conf struct {
	Name    string // cluster_name
	Version int    // config_version
	Nodes   []Node
	Links   map[int]int // link number to knet_link_priority, 0 where none is given
	Open    bool        // its packets are neither encrypted nor proven
}

// Node is one entry of the nodelist.
type Node struct {
	Name  string
	ID    int
	Votes int
	Addr  map[int]string // by link number
}

// Node finds an entry by name.
func (c *Conf) Node(name string) (Node, bool) {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Node{}, false
}

// Text is the file in the form in which Proxmox VE writes it: sections and keys
// sorted, nodes by name, a blank line after each section, also the last
// (PVE/Corosync.pm, write_conf).
func (c Conf) Text() []byte {
	var b strings.Builder
	b.WriteString("logging {\n  debug: off\n  to_syslog: yes\n}\n\nnodelist {\n" + c.nodes())
	fmt.Fprintf(&b, "}\n\nquorum {\n  provider: corosync_votequorum\n}\n\ntotem {\n  cluster_name: %s\n  config_version: %d\n", c.Name, c.Version)
	for _, link := range slices.Sorted(maps.Keys(c.Links)) {
		b.WriteString("  interface {\n")
		if prio := c.Links[link]; prio != 0 {
			fmt.Fprintf(&b, "    knet_link_priority: %d\n", prio)
		}
		fmt.Fprintf(&b, "    linknumber: %d\n  }\n", link)
	}
	b.WriteString("  ip_version: ipv4-6\n  link_mode: passive\n  secauth: on\n  token_coefficient: 125\n  version: 2\n}\n\n")
	return []byte(b.String())
}

// nodes are the entries of the nodelist.
func (c Conf) nodes() string {
	var b strings.Builder
	nodes := slices.SortedFunc(slices.Values(c.Nodes), func(x, y Node) int { return strings.Compare(x.Name, y.Name) })
	for _, n := range nodes {
		fmt.Fprintf(&b, "  node {\n    name: %s\n    nodeid: %d\n    quorum_votes: %d\n", n.Name, n.ID, n.Votes)
		for _, link := range slices.Sorted(maps.Keys(n.Addr)) {
			fmt.Fprintf(&b, "    ring%d_addr: %s\n", link, n.Addr[link])
		}
		b.WriteString("  }\n")
	}
	return b.String()
}

// Parse reads a corosync.conf. A file that was torn by a power cut is an error.
func Parse(raw []byte) (Conf, error) {
	p := parser{conf: Conf{Links: map[int]int{}}}
	if bytes.IndexByte(raw, 0) >= 0 {
		return Conf{}, fmt.Errorf("holds zero bytes: the file was torn")
	}
	for i, line := range strings.Split(string(raw), "\n") {
		if err := p.line(strings.TrimSpace(line)); err != nil {
			return Conf{}, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	switch {
	case len(p.path) > 0:
		return Conf{}, fmt.Errorf("section %s is not closed: the file was torn", p.path[len(p.path)-1])
	case p.conf.Name == "" || p.conf.Version == 0 || len(p.conf.Nodes) == 0:
		return Conf{}, fmt.Errorf("cluster_name, config_version or nodelist is missing")
	}
	p.conf.Open = p.open()
	return p.conf, nil
}

type parser struct {
	conf         Conf
	path         []string
	node         Node
	number, prio int
	secauth      string // with the next two, what decides whether it is open
	cipher, hash string
}

func (p *parser) line(s string) error {
	switch {
	case s == "" || s[0] == '#':
		return nil
	case strings.HasSuffix(s, "{"):
		p.path = append(p.path, strings.TrimSpace(s[:len(s)-1]))
		p.node, p.number, p.prio = Node{Votes: 1, Addr: map[int]string{}}, 0, 0
		return nil
	case s == "}":
		if len(p.path) == 0 {
			return fmt.Errorf("} without a section")
		}
		switch p.at() {
		case "nodelist node":
			p.conf.Nodes = append(p.conf.Nodes, p.node)
		case "totem interface":
			p.conf.Links[p.number] = p.prio
		}
		p.path = p.path[:len(p.path)-1]
		return nil
	}
	key, value, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("%q is neither a section nor a key", s)
	}
	return p.set(strings.TrimSpace(key), strings.TrimSpace(value))
}

// open goes by corosync.conf(5): secauth is on where nothing is said, and what
// is said of cipher and hash counts more.
func (p *parser) open() bool {
	off := p.secauth == "off" || p.secauth == "no"
	none := func(s string) bool { return s == "none" || s == "" && off }
	return none(p.cipher) || none(p.hash)
}

func (p *parser) at() string { return strings.Join(p.path, " ") }

// linkOf is the number in ring0_addr and the like.
func linkOf(key string) (link int, ok bool) {
	number, first := strings.CutPrefix(key, "ring")
	number, last := strings.CutSuffix(number, "_addr")
	link, err := strconv.Atoi(number)
	return link, first && last && err == nil
}

func (p *parser) set(key, value string) error {
	var target *int
	switch p.at() + " " + key {
	case "totem cluster_name":
		p.conf.Name = value
	case "totem secauth":
		p.secauth = value
	case "totem crypto_cipher":
		p.cipher = value
	case "totem crypto_hash":
		p.hash = value
	case "nodelist node name":
		p.node.Name = value
	case "totem config_version":
		target = &p.conf.Version
	case "nodelist node nodeid":
		target = &p.node.ID
	case "nodelist node quorum_votes":
		target = &p.node.Votes
	case "totem interface linknumber":
		target = &p.number
	case "totem interface knet_link_priority":
		target = &p.prio
	}
	if target != nil {
		n, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("%s: %q is no number", key, value)
		}
		*target = n
	}
	if link, ok := linkOf(key); ok && p.at() == "nodelist node" {
		p.node.Addr[link] = value
	}
	return nil
}
