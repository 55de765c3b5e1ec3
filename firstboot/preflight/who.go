package preflight

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// knows reports whether a profile says anything of a node's machine by which it
// can be told from others, and whether it is this one. A word that contradicts
// is worth more than any number that agree.
func knows(n medium.Target, f Facts) (says, is bool, because string) {
	for _, one := range []struct{ what, want, have string }{
		{"serial", n.Machine.Serial, f.Machine.Serial}, {"UUID", n.Machine.UUID, f.Machine.UUID},
	} {
		if one.want == "" {
			continue
		}
		if !strings.EqualFold(one.want, one.have) {
			return true, false, fmt.Sprintf("the machine of %s has %s %s, and this one has %s", n.Name, one.what, one.want, orNone(one.have))
		}
		says, is = true, true
	}
	// Without a driver no port has an address, and that proves nothing.
	if len(n.MACs) > 0 && len(f.MACs) > 0 {
		has := slices.ContainsFunc(n.MACs, func(m string) bool { return slices.Contains(f.MACs, strings.ToLower(m)) })
		if !has {
			return true, false, fmt.Sprintf("the machine of %s has the port %s, and this one has %s", n.Name, strings.ToLower(n.MACs[0]), strings.Join(f.MACs, " and "))
		}
		says, is = true, true
	}
	return says, is, ""
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// owns reports whether a disk of the machine is named as one of the node's. Twins
// of other makes can share a serial number, so this only ever makes a refusal.
func owns(n medium.Target, f Facts) *Sighting {
	for _, by := range append([]profiles.DiskName{n.Root, n.Mirror}, n.Others...) {
		if by.Serial == "" && by.ByID == "" {
			continue
		}
		for _, d := range f.candidates() {
			if d.named(by) {
				return &d
			}
		}
	}
	return nil
}

// who decides which node the machine is; a verdict that is not nil ends it.
func who(p medium.Plan, f Facts) (medium.Target, *Verdict) {
	if p.Kind == medium.KindAll {
		return whoOfAll(p, f)
	}
	n, _ := p.Find(p.Node)
	for _, other := range p.Nodes {
		if other.Name == n.Name {
			continue
		}
		if _, is, _ := knows(other, f); is {
			return n, stop("this is the machine of %s (%s), and this medium installs %s: start it with the medium of %s", other.Name, f.Machine, n.Name, other.Name)
		}
		if d := owns(other, f); d != nil && owns(n, f) == nil {
			return n, stop("this is the machine of %s by its disk %s (serial %s), and this medium installs %s: start it with the medium of %s", other.Name, d.Name, d.Serial(), n.Name, other.Name)
		}
	}
	if says, is, because := knows(n, f); says && !is {
		return n, stop("this is not the machine of %s: %s: start the right machine, or correct the profile and make the medium again", n.Name, because)
	}
	return n, nil
}

// whoOfAll finds the node of a medium for all of them: the one whose machine
// this is, the one that was begun on it, or the next that is free.
func whoOfAll(p medium.Plan, f Facts) (medium.Target, *Verdict) {
	if !f.Writable {
		return medium.Target{}, stop("this medium cannot be written to, and one for all nodes must be: write it to a USB stick, or make one image for each node")
	}
	var mine, begun []medium.Target
	for _, n := range p.Nodes {
		if _, is, _ := knows(n, f); is || owns(n, f) != nil {
			mine = append(mine, n)
		}
		if on := beganOn(n.Name, f.Log); on != nil && on.Same(f.Machine) {
			begun = append(begun, n)
		}
	}
	switch {
	case len(mine) > 1:
		return medium.Target{}, stop("the profile says of this machine (%s) that it is %s and that it is %s: correct it and make the medium again", f.Machine, mine[0].Name, mine[1].Name)
	case len(mine) == 1:
		return free(mine[0], f)
	case len(begun) == 1:
		return free(begun[0], f)
	case len(begun) > 1:
		return medium.Target{}, stop("the log of this medium says of this machine that it is %s and that it is %s: its firmware gives it no number of its own; name the machines in the profile and make the medium again", begun[0].Name, begun[1].Name)
	}
	var taken []string
	for _, n := range p.Nodes {
		says, _, because := knows(n, f)
		on := beganOn(n.Name, f.Log)
		switch {
		case f.Spent[n.Name]:
			taken = append(taken, n.Name+" is installed")
		case says:
			taken = append(taken, because)
		case on != nil:
			taken = append(taken, fmt.Sprintf("%s was begun on another machine (%s)", n.Name, on))
		default:
			return n, nil
		}
	}
	return medium.Target{}, stop("no node is left for this machine (%s): %s: to install one of them once more, use mkimage rearm", f.Machine, strings.Join(taken, "; "))
}

// free refuses a node whose ticket is spent.
func free(n medium.Target, f Facts) (medium.Target, *Verdict) {
	if f.Spent[n.Name] && !f.Again {
		return n, stop("this machine is %s, which this medium has installed already, and none of its disks carries the mark: look at its disks; to install it once more, use mkimage rearm", n.Name)
	}
	return n, nil
}

// beganOn is the machine on which a node was begun last.
func beganOn(node string, log []medium.Entry) *medium.Identity {
	for _, e := range slices.Backward(log) {
		if e.What == medium.Began && e.Node == node {
			return &e.Machine
		}
	}
	return nil
}
