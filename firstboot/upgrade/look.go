package upgrade

import (
	"context"
	"fmt"
	"slices"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
)

// look reads the system. What does not answer is seen as away.
func (u *Upgrade) look(ctx context.Context, o *Order) sight {
	own := pve.Local{Host: u.o.Host, Name: u.o.Node}
	s := sight{ring: map[string]string{}, ceph: u.o.Profile.Ceph.Enabled, ha: u.o.Profile.HA.Enabled}
	m, err := own.Membership()
	s.quorate = err == nil && m.Cluster.Quorate == 1
	for _, n := range u.o.Profile.Nodes {
		if err != nil || !m.Synced(n.Name) {
			s.away = append(s.away, n.Name)
			continue
		}
		s.ring[n.Name] = u.ring(ctx, n.Name)
	}
	if s.ceph {
		h, err := pve.Ceph{Shell: u.shell(u.o.Node)}.Health(ctx)
		s.health, s.mute = h, err != nil
	}
	if s.ha && s.quorate {
		if s.state, err = (pve.HA{Shell: u.shell(u.o.Node)}).State(ctx); err != nil {
			s.quorate = false // nothing is done on what could not be read
		}
		// Without a guest the manager sleeps, and would never answer to maintenance.
		t := o.Turns[o.Current()]
		s.ha = len(s.state.Services) > 0 || t != nil && t.Maintenance
	}
	switch n := o.Current(); {
	case n == "":
	case o.Turns[n] == nil || o.Turns[n].Begun.IsZero():
		if s.rival, err = u.rival(ctx); err != nil {
			s.deaf = err.Error()
		}
	default:
		u.lookAt(ctx, o, n, &s)
	}
	return s
}

// ring is what is wrong with a node's, "" if nothing is.
func (u *Upgrade) ring(ctx context.Context, node string) string {
	wrong, err := u.o.Ring(ctx, node)
	if err != nil {
		return err.Error()
	}
	return wrong
}

// rival is another node that leads an upgrade of its own. Two at once would take
// two nodes out of the cluster. Each leader has its order on its disk before it
// looks, so that at least one of them sees the other.
func (u *Upgrade) rival(ctx context.Context) (string, error) {
	for _, n := range u.o.Profile.Others(u.o.Node) {
		r, err := u.shell(n.Name).Host.Commands.Run(ctx, host.Cmd{Argv: []string{"cat", OrderFile}, ReadOnly: true, Timeout: perWord})
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", n.Name, err)
		case r.Code == sshFailed:
			return "", fmt.Errorf("%s: %s", n.Name, host.LastLine(r))
		case r.Code != 0:
			continue // it has none
		}
		o, err := errand.Parse[Order](r.Stdout, Errand())
		if err != nil {
			return "", fmt.Errorf("%s: %w", n.Name, err)
		}
		if o.live() {
			return n.Name, nil
		}
	}
	return "", nil
}

// sshFailed is the exit status of ssh itself (ssh(1)), not of what it runs.
const sshFailed = 255

// lookAt asks the node whose turn it is. One answer that does not come makes it away.
func (u *Upgrade) lookAt(ctx context.Context, o *Order, n string, s *sight) {
	boot, err := u.boot(ctx, n)
	if err != nil {
		return
	}
	if o.Turns[n].Boot != "" {
		s.boot = boot
		return
	}
	state, err := u.shell(n).StateHere(ctx, Unit)
	if err != nil {
		return
	}
	s.running = state == "active" || state == "activating"
	if s.running {
		s.boot = boot
		return
	}
	own, err := host.ReadOptional(u.o.Host.Files, "/etc/apt/preferences")
	if err != nil {
		return
	}
	write := host.Cmd{Argv: []string{"tee", pinsFile}, Stdin: []byte(apt.Pins(o.pins(n), string(own))), Timeout: perWord}
	if _, err := host.Run(ctx, u.shell(n).Host.Commands, write); err != nil {
		return
	}
	if s.left, s.hidden, err = u.open(ctx, o, n); err != nil {
		return
	}
	if s.foreign, err = u.foreign(ctx, n, s.state); err != nil {
		return
	}
	s.boot = boot
}

// open are the changes that a node still has before it: what apt would do, and
// what was planned and is not so. hidden tells that apt does not know of some of
// that: its lists are of the time before the plan, or a power cut tore them.
func (u *Upgrade) open(ctx context.Context, o *Order, node string) (left []apt.Change, hidden bool, err error) {
	if left, err = u.apt(node).Changes(ctx, pinsFile); err != nil {
		return nil, false, err
	}
	have, err := u.apt(node).Installed(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, c := range o.Plan[node] {
		if have[c.Package] == c.To || slices.ContainsFunc(left, func(l apt.Change) bool { return l.Package == c.Package }) {
			continue
		}
		left, hidden = append(left, c), true
	}
	return left, hidden, nil
}

// foreign are running guests of a node that HA does not move.
func (u *Upgrade) foreign(ctx context.Context, node string, state pve.HAState) ([]string, error) {
	all, err := (pve.Guests{Shell: u.shell(u.o.Node)}).All()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, g := range all {
		kind := map[string]string{"qemu": "vm", "lxc": "ct"}[g.Kind]
		sid := fmt.Sprintf("%s:%d", kind, g.ID)
		if _, managed := state.Services[sid]; managed || g.Node != node {
			continue
		}
		running, err := (pve.Guests{Shell: u.shell(node)}).Runs(ctx, g)
		if err != nil {
			return nil, err
		}
		if running {
			out = append(out, sid)
		}
	}
	return out, nil
}
