package sim

import (
	"bufio"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Conf is a corosync.conf(5) as pvecm writes it.
type Conf struct {
	Name    string
	Version int
	Nodes   []ConfNode
	Links   []ConfLink
}

// ConfNode is one entry of the nodelist.
type ConfNode struct {
	Name  string
	ID    int
	Votes int
	Addr  []string // by link
}

// ConfLink is one interface section of totem.
type ConfLink struct {
	Number   int
	Priority int // 0: not given
}

// Node finds an entry by name.
func (c Conf) Node(name string) (ConfNode, bool) {
	return c.find(func(n ConfNode) bool { return n.Name == name })
}

// ByID finds an entry by node id.
func (c Conf) ByID(id int) (ConfNode, bool) {
	return c.find(func(n ConfNode) bool { return n.ID == id })
}

func (c Conf) find(is func(ConfNode) bool) (ConfNode, bool) {
	if i := slices.IndexFunc(c.Nodes, is); i >= 0 {
		return c.Nodes[i], true
	}
	return ConfNode{}, false
}

// DuplicateID reports whether two entries share an id.
func (c Conf) DuplicateID() bool {
	ids := map[int]bool{}
	for _, n := range c.Nodes {
		ids[n.ID] = true
	}
	return len(ids) < len(c.Nodes)
}

// Text renders the configuration as the real writer does: sections and keys
// sorted, two spaces, a blank line after each section, also the last.
func (c Conf) Text() []byte {
	var b strings.Builder
	b.WriteString("logging {\n  debug: off\n  to_syslog: yes\n}\n\nnodelist {\n")
	for _, n := range slices.SortedFunc(slices.Values(c.Nodes), func(a, b ConfNode) int { return strings.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&b, "  node {\n    name: %s\n    nodeid: %d\n    quorum_votes: %d\n", n.Name, n.ID, n.Votes)
		for i, a := range n.Addr {
			if a != "" {
				fmt.Fprintf(&b, "    ring%d_addr: %s\n", i, a)
			}
		}
		b.WriteString("  }\n")
	}
	fmt.Fprintf(&b, "}\n\nquorum {\n  provider: corosync_votequorum\n}\n\ntotem {\n  cluster_name: %s\n  config_version: %d\n", c.Name, c.Version)
	for _, l := range c.Links {
		b.WriteString("  interface {\n")
		if l.Priority != 0 {
			fmt.Fprintf(&b, "    knet_link_priority: %d\n", l.Priority)
		}
		fmt.Fprintf(&b, "    linknumber: %d\n  }\n", l.Number)
	}
	b.WriteString("  ip_version: ipv4-6\n  link_mode: passive\n  secauth: on\n  token_coefficient: 125\n  version: 2\n}\n\n")
	return []byte(b.String())
}

// ParseConf reads what Text writes, and hand-made files of the same grammar.
func ParseConf(text []byte) (Conf, error) {
	var c Conf
	var path []string
	var node ConfNode
	var link ConfLink
	sc := bufio.NewScanner(strings.NewReader(string(text)))
	for line := 1; sc.Scan(); line++ {
		s := strings.TrimSpace(sc.Text())
		switch {
		case s == "" || strings.HasPrefix(s, "#"):
		case strings.HasSuffix(s, "{"):
			path = append(path, strings.TrimSpace(strings.TrimSuffix(s, "{")))
			node, link = ConfNode{Votes: 1}, ConfLink{}
		case s == "}":
			if len(path) == 0 {
				return Conf{}, fmt.Errorf("corosync.conf:%d: } without section", line)
			}
			switch strings.Join(path, "/") {
			case "nodelist/node":
				c.Nodes = append(c.Nodes, node)
			case "totem/interface":
				c.Links = append(c.Links, link)
			}
			path = path[:len(path)-1]
		default:
			key, value, ok := strings.Cut(s, ":")
			if !ok {
				return Conf{}, fmt.Errorf("corosync.conf:%d: neither section nor key", line)
			}
			c.set(strings.Join(path, "/"), key, strings.TrimSpace(value), &node, &link)
		}
	}
	if len(path) != 0 {
		return Conf{}, fmt.Errorf("corosync.conf: section %s is not closed", path[len(path)-1])
	}
	if c.Name == "" || len(c.Nodes) == 0 {
		return Conf{}, fmt.Errorf("corosync.conf: no cluster name or no nodes")
	}
	return c, nil
}

func (c *Conf) set(section, key, value string, node *ConfNode, link *ConfLink) {
	n, _ := strconv.Atoi(value)
	switch section + "/" + key {
	case "totem/cluster_name":
		c.Name = value
	case "totem/config_version":
		c.Version = n
	case "totem/interface/linknumber":
		link.Number = n
	case "totem/interface/knet_link_priority":
		link.Priority = n
	case "nodelist/node/name":
		node.Name = value
	case "nodelist/node/nodeid":
		node.ID = n
	case "nodelist/node/quorum_votes":
		node.Votes = n
	}
	var ring int
	if k, _ := fmt.Sscanf(key, "ring%d_addr", &ring); k == 1 && section == "nodelist/node" && ring >= 0 && ring < 8 {
		for len(node.Addr) <= ring {
			node.Addr = append(node.Addr, "")
		}
		node.Addr[ring] = value
	}
}
