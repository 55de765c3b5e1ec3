package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

var (
	_ step.Observer = (*Cluster)(nil)
	_ step.Observer = (*Proof)(nil)
)

// Observe says what of the cluster differs from the plan. A cluster that has
// grown is told in one calm sentence: no advice of this room ever takes a node
// out of a cluster that works.
func (s *Cluster) Observe(context.Context) ([]step.Change, error) {
	c, _, err := s.node.ReadConf(pve.ConfFile)
	if err != nil {
		return nil, err
	}
	name := s.o.Profile.Cluster.Name
	if c == nil {
		return []step.Change{{Object: "cluster " + name, Have: "not on " + s.o.Node, Want: s.o.Node + " a member"}}, nil
	}
	var out []step.Change
	if c.Name != name {
		out = append(out, step.Change{Object: "name of the cluster", Have: c.Name, Want: name})
	}
	if s.o.Node == s.o.Profile.Founder().Name {
		out = append(out, grown(s.o.Profile, c)...)
	}
	if late := absent(s.o.Profile, c); len(late) > 0 && !s.look().Quorate {
		out = append(out, step.Change{Object: "corosync.conf of " + s.o.Node, Have: "without " + list(late), Want: "as the others have it"})
	}
	return out, nil
}

// absent are the added nodes that a configuration does not list: they have not
// come yet, or this node was off when they came.
func absent(p *profiles.Profile, c *corosync.Conf) []string {
	return slices.DeleteFunc(p.Added(), func(n string) bool { _, ok := c.Node(n); return ok })
}

// grown compares who is in the cluster with who was meant to be. The first
// node of the profile tells it, so that it is told once.
func grown(p *profiles.Profile, c *corosync.Conf) (out []step.Change) {
	plan := planned(p)
	have, want := confNames(c), confNames(&plan)
	more := slices.DeleteFunc(slices.Clone(have), func(n string) bool { return slices.Contains(want, n) })
	gone := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return slices.Contains(have, n) || slices.Contains(p.Added(), n) })
	if len(more) > 0 {
		out = append(out, step.Change{Object: "members", Have: list(have), Want: list(want), Beyond: true})
	}
	if len(gone) > 0 {
		out = append(out, step.Change{Object: "members", Have: "without " + list(gone), Want: list(want)})
	}
	for i, want := range p.Nodes {
		n, ok := c.Node(want.Name)
		if !ok {
			continue
		}
		if w, _ := plan.Node(want.Name); !maps.Equal(n.Addr, w.Addr) || n.ID != i+1 {
			out = append(out, step.Change{Object: "corosync's entry of " + want.Name, Have: fmt.Sprintf("%d at %s", n.ID, addresses(n)), Want: fmt.Sprintf("%d at %s", i+1, addresses(w))})
		}
	}
	return out
}

// addresses are those of a node's links, for a sentence.
func addresses(n corosync.Node) string {
	var out []string
	for _, link := range slices.Sorted(maps.Keys(n.Addr)) {
		out = append(out, n.Addr[link])
	}
	return strings.Join(out, " and ")
}

// Observe says what of users and options differs from the plan.
func (s *Proof) Observe(ctx context.Context) ([]step.Change, error) {
	if s.o.Node != s.o.Profile.Founder().Name {
		return nil, nil // the first node of the profile tells what is the cluster's
	}
	out, err := s.missing(ctx)
	if err != nil {
		return nil, err
	}
	// The notes are their owner's: ours were written once.
	out = slices.DeleteFunc(out, func(c step.Change) bool { return c.Object == "description" })
	for i := range out {
		if out[i].Have == "" {
			out[i].Have = "missing"
		}
	}
	users, err := s.node.Users(ctx)
	if err != nil {
		return nil, err
	}
	var more []string
	for _, u := range users {
		planned := u == "root@pam" || slices.ContainsFunc(s.o.Profile.Users, func(p profiles.User) bool { return p.Name+"@pam" == u })
		if !planned {
			more = append(more, u)
		}
	}
	if len(more) > 0 {
		out = append(out, step.Change{Object: "users of Proxmox VE", Have: "also " + list(more), Want: "those of the profile", Beyond: true})
	}
	return out, nil
}

func confNames(c *corosync.Conf) []string {
	var list []string
	for _, n := range c.Nodes {
		list = append(list, n.Name)
	}
	slices.Sort(list)
	return list
}
