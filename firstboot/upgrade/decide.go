package upgrade

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/pve"
)

// act is what comes next.
type act int

const (
	actWait act = iota
	actStop
	actBegin
	actMaintain
	actNoOut
	actRefresh
	actUpdate
	actUpdated
	actRestart
	actIn
	actReturn
	actEnd
	actDone
)

// How long each thing is waited for before it is a doubt.
const (
	soundTime   = 10 * time.Minute
	leaveTime   = 20 * time.Minute
	installTime = time.Hour
	startTime   = 30 * time.Minute
	cleanTime   = 2 * time.Hour
)

// mostTries is how often a node's packages are tried before that is a doubt.
const mostTries = 3

// decision is an act with its reason; limit bounds a wait.
type decision struct {
	act    act
	node   string
	reason string
	limit  time.Duration
}

// sight is the cluster at one moment, as the leader sees it.
type sight struct {
	quorate bool
	away    []string          // nodes that are no member now
	ring    map[string]string // node to what is wrong with its ring
	ceph    bool
	mute    bool // Ceph does not answer
	health  pve.Health
	ha      bool
	state   pve.HAState
	rival   string       // another node that leads an upgrade, too
	deaf    string       // why that is not known
	boot    string       // of the node whose turn it is, "" if it does not answer
	running bool         // its packages are being installed
	left    []apt.Change // what is left of its packages
	hidden  bool         // and apt does not know of some of that
	foreign []string     // guests on it that nobody would move
}

// decide says what comes next. It is pure: every moment at which the power can
// go is one of its cases.
func decide(o *Order, s sight) decision {
	n := o.Current()
	if n == "" {
		if len(o.Homes) > 0 && !s.quorate { // nobody knows where the guests are
			return decision{actWait, "all", "the cluster has no quorum", startTime}
		}
		return decision{act: actDone, node: "all", reason: strings.Join(append([]string{"done"}, elsewhere(o, s)...), "; ")}
	}
	say := func(a act, limit time.Duration, format string, args ...any) decision {
		return decision{a, n, fmt.Sprintf(format, args...), limit}
	}
	t := o.Turns[n]
	if t == nil || t.Begun.IsZero() {
		return begin(o, s, n, say)
	}
	if s.boot == "" || slices.Contains(s.away, n) || !s.quorate {
		return say(actWait, startTime, "%s is to come back as a member", n)
	}
	if t.Boot == "" {
		return bring(o, s, t, say)
	}
	if o.Restarts(n) && s.boot == t.Boot {
		return say(actRestart, 0, "its packages ask for a restart")
	}
	return back(s, t, n, say)
}

// begin looks whether a node's turn can come.
func begin(o *Order, s sight, n string, say func(act, time.Duration, string, ...any) decision) decision {
	switch why := unsound(s, true); {
	case len(o.Plan[n]) == 0:
		return say(actEnd, 0, "nothing is to be changed")
	case o.Pause:
		return say(actStop, 0, "paused before %s, as asked", n)
	case why != "":
		return say(actWait, soundTime, "%s is not begun: %s", n, why)
	case s.deaf != "":
		return say(actWait, soundTime, "%s is not begun: whether another node leads an upgrade is not known: %s", n, s.deaf)
	}
	if s.rival != "" {
		return say(actStop, 0, "%s is not begun: %s leads an upgrade, too: wait for its end there, then go on here", n, s.rival)
	}
	if s.ha && s.state.Node[n] == "maintenance" || s.health.NoOut() {
		return say(actStop, 0, "%s is not begun: somebody is at work (maintenance or noout is set): end that first", n)
	}
	return say(actBegin, 0, "its turn")
}

// bring empties a node and updates it.
func bring(o *Order, s sight, t *Turn, say func(act, time.Duration, string, ...any) decision) decision {
	n := o.Current()
	if s.ha && (!t.Maintenance || s.state.Node[n] == "online") {
		return say(actMaintain, 0, "guests leave")
	}
	if s.ha && s.state.Node[n] != "maintenance" {
		return say(actWait, leaveTime, "%s is to go into maintenance", n)
	}
	if on := guestsOn(s, n); len(on) > 0 {
		return say(actWait, leaveTime, "%s still runs %s", n, strings.Join(on, ", "))
	}
	if len(s.foreign) > 0 && o.Restarts(n) {
		return say(actStop, 0, "%s runs %s, which HA does not manage, and has to restart: move or stop it, then go on", n, strings.Join(s.foreign, ", "))
	}
	switch {
	case s.ceph && s.mute:
		return say(actWait, soundTime, "Ceph is to answer")
	case s.ceph && !s.health.NoOut():
		return say(actNoOut, 0, "its OSDs stay in")
	case s.running:
		return say(actWait, installTime, "packages of %s are being installed", n)
	}
	return install(o, s, t, say)
}

// install brings an empty node to the plan, and to nothing else.
func install(o *Order, s sight, t *Turn, say func(act, time.Duration, string, ...any) decision) decision {
	n := o.Current()
	why := notPlanned(o.Plan[n], s.left)
	if (why != "" || s.hidden) && t.Fresh != s.boot { // a power cut tears apt's lists, or they are of another day
		return say(actRefresh, 0, "its package sources are read anew")
	}
	if why != "" {
		return say(actStop, 0, "%s would get something else than was planned: %s: plan anew", n, why)
	}
	switch {
	case len(s.left) > 0 && t.Tries >= mostTries:
		return say(actStop, 0, "%s does not get its packages, %s is left after %d tries: run apt full-upgrade there by hand to see why", n, s.left[0], t.Tries)
	case len(s.left) > 0:
		return say(actUpdate, 0, "%d packages", len(s.left))
	}
	return say(actUpdated, 0, "packages are whole")
}

// back waits for a node to be whole again and gives back what was taken.
func back(s sight, t *Turn, n string, say func(act, time.Duration, string, ...any) decision) decision {
	if why := unsound(s, false); why != "" {
		return say(actWait, startTime, "%s is not whole again: %s", n, why)
	}
	if t.NoOut && s.health.NoOut() {
		return say(actIn, 0, "OSDs are up")
	}
	if why := unsound(s, true); why != "" {
		return say(actWait, cleanTime, "%s is not whole again: %s", n, why)
	}
	if s.ha && t.Maintenance && s.state.Node[n] == "maintenance" {
		return say(actReturn, 0, "guests come back")
	}
	if s.ha && s.state.Node[n] != "online" {
		return say(actWait, leaveTime, "%s is to leave maintenance", n)
	}
	for _, sid := range t.Guests {
		g, ok := s.state.Services[sid]
		// One that was recovered or moved elsewhere meanwhile stays there.
		stays := g.State == "started" && g.Home == ""
		if ok && !stays {
			return say(actWait, leaveTime, "%s is to come back to %s", sid, n)
		}
	}
	return say(actEnd, 0, "whole")
}

// unsound says what keeps the next thing from being done. clean asks for every
// placement group as well.
func unsound(s sight, clean bool) string {
	switch {
	case !s.quorate:
		return "the cluster has no quorum"
	case len(s.away) > 0:
		return strings.Join(s.away, ", ") + " is no member now"
	}
	for _, n := range slices.Sorted(maps.Keys(s.ring)) {
		if s.ring[n] != "" {
			return "the ring of " + n + ": " + s.ring[n]
		}
	}
	if !s.ceph {
		return ""
	}
	h := s.health
	switch {
	case s.mute:
		return "Ceph does not answer"
	case h.Status == "HEALTH_ERR":
		return "Ceph says HEALTH_ERR"
	case len(h.Quorum) < h.Monitors:
		return fmt.Sprintf("%d of %d monitors are in quorum", len(h.Quorum), h.Monitors)
	case h.Up < h.OSDs:
		return fmt.Sprintf("%d of %d OSDs are up", h.Up, h.OSDs)
	case clean && h.Clean < h.PGs:
		return fmt.Sprintf("%d of %d placement groups are clean", h.Clean, h.PGs)
	}
	return ""
}

func guestsOn(s sight, node string) (out []string) {
	for _, sid := range slices.Sorted(maps.Keys(s.state.Services)) {
		if g := s.state.Services[sid]; g.Node == node && g.State != "stopped" && g.State != "error" {
			out = append(out, sid)
		}
	}
	return out
}

// elsewhere says which guests are not where they were before. High availability
// took such a one up when its node lost its power, and where a guest is to run is
// its owner's to say: it is told, and not moved.
func elsewhere(o *Order, s sight) (out []string) {
	for _, sid := range slices.Sorted(maps.Keys(o.Homes)) {
		home := o.Homes[sid]
		if g, ok := s.state.Services[sid]; ok && g.Node != home {
			out = append(out, fmt.Sprintf("%s was on %s and is on %s now: ha-manager migrate %s %s takes it back", sid, home, g.Node, sid, home))
		}
	}
	return out
}

// notPlanned names what an upgrade would do now and was not planned.
func notPlanned(plan, left []apt.Change) string {
	for _, c := range left {
		i := slices.IndexFunc(plan, func(p apt.Change) bool { return p.Package == c.Package && p.To == c.To })
		if i < 0 {
			return c.String()
		}
	}
	return ""
}
