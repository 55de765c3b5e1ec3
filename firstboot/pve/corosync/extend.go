package corosync

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Extended is a configuration with a node more and the next version. All else
// stays as it is, byte for byte: a hand may have set more in it than Conf knows.
func Extended(raw []byte, n Node) ([]byte, error) {
	c, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	for _, have := range c.Nodes {
		if have.Name == n.Name || have.ID == n.ID {
			return nil, fmt.Errorf("%s with id %d is in it", have.Name, have.ID)
		}
	}
	c.Nodes, c.Version = append(c.Nodes, n), c.Version+1
	return rewritten(raw, c, func(e *edit) { e.insert(n) })
}

// WithVotes is a configuration in which a node has so many votes, and the next version.
func WithVotes(raw []byte, node string, votes int) ([]byte, error) {
	c, err := Parse(raw)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(c.Nodes, func(n Node) bool { return n.Name == node })
	if at < 0 {
		return nil, fmt.Errorf("%s is not in it", node)
	}
	c.Nodes[at].Votes, c.Version = votes, c.Version+1
	return rewritten(raw, c, func(e *edit) { e.vote(node, votes) })
}

// rewritten edits the text, raises its version, and holds the result against
// what it is to mean.
func rewritten(raw []byte, want Conf, change func(*edit)) ([]byte, error) {
	e := &edit{lines: strings.SplitAfter(string(raw), "\n")}
	e.version(want.Version)
	change(e)
	text := []byte(strings.Join(e.lines, ""))
	got, err := Parse(text)
	if err != nil || !means(got, want) {
		return nil, errors.New("corosync.conf is not written as Proxmox VE does it, so it is not changed: add the node by Proxmox's rules for editing it, or write it anew by them")
	}
	return text, nil
}

func means(a, b Conf) bool {
	same := func(x, y Node) bool {
		return x.Name == y.Name && x.ID == y.ID && x.Votes == y.Votes && maps.Equal(x.Addr, y.Addr)
	}
	byName := func(x, y Node) int { return strings.Compare(x.Name, y.Name) }
	return a.Name == b.Name && a.Version == b.Version && a.Open == b.Open && maps.Equal(a.Links, b.Links) &&
		slices.EqualFunc(slices.SortedFunc(slices.Values(a.Nodes), byName), slices.SortedFunc(slices.Values(b.Nodes), byName), same)
}

// edit changes lines of a corosync.conf.
type edit struct{ lines []string }

// each calls do for every line with the sections in which it stands.
func (e *edit) each(do func(i int, section, text string)) {
	var sections []string
	for i, line := range e.lines {
		text := strings.TrimSpace(line)
		if text == "}" && len(sections) > 0 {
			do(i, strings.Join(sections, " "), text)
			sections = sections[:len(sections)-1]
			continue
		}
		if name, ok := strings.CutSuffix(text, "{"); ok && !strings.HasPrefix(text, "#") {
			sections = append(sections, strings.TrimSpace(name))
		}
		do(i, strings.Join(sections, " "), text)
	}
}

// set replaces the value of a line's key.
func (e *edit) set(i int, value int) {
	key, rest, _ := strings.Cut(e.lines[i], ":")
	end := rest[len(strings.TrimRight(rest, "\r\n")):]
	e.lines[i] = fmt.Sprintf("%s: %d%s", key, value, end)
}

func (e *edit) version(n int) {
	e.each(func(i int, section, text string) {
		if section == "totem" && strings.HasPrefix(text, "config_version:") {
			e.set(i, n)
		}
	})
}

func (e *edit) vote(node string, votes int) {
	line, named := -1, false
	at := -1
	e.each(func(i int, section, text string) {
		if section != "nodelist node" {
			return
		}
		switch key, value, _ := strings.Cut(text, ":"); {
		case strings.HasSuffix(text, "{"):
			line, named = -1, false
		case key == "name":
			named = strings.TrimSpace(value) == node
		case key == "quorum_votes":
			line = i
		}
		if named && line >= 0 {
			at = line
		}
	})
	if at >= 0 {
		e.set(at, votes)
	}
}

// insert puts a node where Proxmox VE writes it: by its name, behind the smaller ones.
func (e *edit) insert(n Node) {
	at, begin := -1, -1
	e.each(func(i int, section, text string) {
		key, value, _ := strings.Cut(text, ":")
		switch {
		case at >= 0:
		case section == "nodelist node" && strings.HasSuffix(text, "{"):
			begin = i
		case section == "nodelist node" && key == "name" && strings.TrimSpace(value) > n.Name:
			at = begin
		case section == "nodelist" && text == "}":
			at = i
		}
	})
	if at < 0 {
		return
	}
	text := Conf{Nodes: []Node{n}}.nodes()
	e.lines = slices.Insert(e.lines, at, text)
}
