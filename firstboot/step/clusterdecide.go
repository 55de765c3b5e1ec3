package step

import (
	"fmt"
	"slices"

	"ringboot/profiles"
)

// action is what Apply would do next.
type action int

const (
	doNothing action = iota
	doCreate         // found the cluster
	doStart          // (re)start what should run, with the files that are here
	doJoin           // get key and configuration from the source and join with them
	doRestart        // restart a corosync that a reload has passed by
	doCerts          // make the certificate
)

// decision is what follows from the views of all nodes.
type decision struct {
	verdict Verdict
	act     action
	source  string // whom doJoin asks
	blank   bool   // this node has nothing of the cluster
}

// decider holds what a decision rests on. It is pure: no call, no clock.
type decider struct {
	p       *profiles.Profile
	me      clusterView
	peers   map[string]answer
	consent bool // this machine takes the place of a lost one of its name
}

func (d decider) self() string    { return d.me.Node }
func (d decider) cluster() string { return d.p.Cluster.Name }
func (d decider) founder() string { return d.p.Nodes[0].Name }

func stopped(format string, args ...any) decision {
	return decision{verdict: Stop(fmt.Sprintf(format, args...))}
}

func waits(format string, args ...any) decision {
	return decision{verdict: Wait(fmt.Sprintf(format, args...))}
}

func (d decider) decide() decision {
	if bad, ok := d.foreign(); ok {
		return bad
	}
	if !d.me.Mounted && d.me.HostName == "" {
		return decision{act: doStart, verdict: Do(fmt.Sprintf("starts pve-cluster, which does not run on %s", d.self()), Change{Object: "pve-cluster", Want: "active"})}
	}
	if d.me.unsettled(d.cluster()) == "" {
		if s := d.newer(); s != "" && !slices.Contains(d.peers[s].view.Synced, d.self()) {
			return d.stale(s)
		}
		return d.rest()
	}
	if d.me.Wrong != "" && d.me.Name == "" && d.me.Mounted {
		return stopped("%s cannot be read: %s", d.self(), d.me.Wrong)
	}
	if d.me.Name == "" && len(d.me.Guests) > 0 {
		return stopped("%s has guests (%s), which joining a cluster would lose: move them away or remove them", d.self(), list(d.me.Guests))
	}
	if d.me.Name != "" {
		return d.member()
	}
	if d.self() == d.founder() {
		return d.found()
	}
	return d.join()
}

// foreign stops at anything that belongs to another cluster.
func (d decider) foreign() (decision, bool) {
	for _, name := range []string{d.me.Name, d.me.HostName} {
		if name != "" && name != d.cluster() {
			return stopped("%s is in the cluster %s, not in %s: reinstall it, or take it out of %s by hand", d.self(), name, d.cluster(), name), true
		}
	}
	return decision{}, false
}

// newer is the peer with the highest configuration that lists this node, if it
// is higher than the own one.
func (d decider) newer() string {
	best, version := "", max(d.me.Version, 0)
	for _, n := range d.p.Others(d.self()) {
		if a := d.peers[n.Name]; a.err == nil && a.view.lists(d.cluster(), d.self()) && a.view.Version > version {
			best, version = n.Name, a.view.Version
		}
	}
	return best
}

func (d decider) stale(source string) decision {
	return decision{act: doJoin, source: source, verdict: Do(
		fmt.Sprintf("brings %s up to the configuration that %s has", d.self(), source),
		Change{Object: "/etc/corosync/corosync.conf", Have: fmt.Sprintf("version %d", max(d.me.Version, d.me.HostVer)), Want: fmt.Sprintf("version %d", d.peers[source].view.Version)})}
}

// rest is the verdict of a proven member: done when all the others are, too.
func (d decider) rest() decision {
	in, missing := []string{d.self()}, ""
	for _, n := range d.p.Others(d.self()) {
		why := d.missing(n.Name)
		if why == "" {
			in = append(in, n.Name)
		} else if missing == "" {
			missing = why
		}
	}
	if missing == "" {
		return decision{verdict: IsDone(fmt.Sprintf("%s is whole: %s", d.cluster(), list(in)))}
	}
	return waits("%s has %d of %d nodes: %s", d.cluster(), len(in), len(d.p.Nodes), missing)
}

// missing says why another node is not yet a proven member, as seen from here.
func (d decider) missing(node string) string {
	a := d.peers[node]
	switch {
	case a.err != nil:
		return d.unreachable(node, a.err)
	case a.view.Stopped != "":
		return a.view.Stopped
	case a.view.unsettled(d.cluster()) != "":
		return a.view.unsettled(d.cluster())
	case a.view.Sum != d.me.Sum:
		return fmt.Sprintf("the configurations of %s (version %d) and %s (version %d) differ", node, a.view.Version, d.self(), d.me.Version)
	case !slices.Contains(d.me.Synced, node):
		return fmt.Sprintf("/etc/pve of %s and %s has not synchronised yet", d.self(), node)
	}
	return ""
}

func (d decider) unreachable(node string, err error) string {
	n, _ := d.p.Node(node)
	return fmt.Sprintf("%s does not answer at %s (%v): switch it on and check its cables", node, n.Address, err)
}

// member goes on from a configuration in /etc/pve that is not yet proven.
func (d decider) member() decision {
	if s := d.newer(); s != "" && !(d.me.Quorate && slices.Contains(d.me.Synced, s)) {
		return d.stale(s)
	}
	other := d.source()
	switch {
	case d.me.Key == "" || other != "" && d.peers[other].view.Key != "" && d.peers[other].view.Key != d.me.Key && !d.me.Quorate:
		if other != "" {
			return decision{act: doJoin, source: other, verdict: Do(fmt.Sprintf("gets the corosync key from %s", other), Change{Object: "/etc/corosync/authkey", Want: "the key of " + d.cluster()})}
		}
		if len(d.me.Listed) > 1 {
			return waits("the corosync key of %s is lost, and no other node of %s answers: switch the others on", d.self(), d.cluster())
		}
		return decision{act: doStart, verdict: Do("makes the corosync key, which a power cut took", Change{Object: "/etc/corosync/authkey", Want: "256 bytes"})}
	case d.me.Running == "" || d.me.HostSum != d.me.Sum && !d.me.Quorate:
		return decision{act: doStart, verdict: Do(fmt.Sprintf("starts corosync and pve-cluster on %s", d.self()), Change{Object: "corosync", Want: "active"})}
	case d.me.Quorate && (d.me.RunVer != d.me.Version || d.me.HostSum != d.me.Sum):
		return decision{act: doRestart, verdict: Do(fmt.Sprintf("sees corosync of %s change from configuration %d to %d, and restarts it if it does not", d.self(), d.me.RunVer, d.me.Version),
			Change{Object: "corosync", Have: fmt.Sprintf("version %d", d.me.RunVer), Want: fmt.Sprintf("version %d", d.me.Version)})}
	case d.me.Quorate && d.me.Writable && d.me.Cert != "":
		return decision{act: doCerts, verdict: Do(fmt.Sprintf("makes the certificate of %s", d.self()), Change{Object: "/etc/pve/nodes/" + d.self() + "/pve-ssl.pem", Want: "of the cluster's CA"})}
	}
	return d.noQuorum()
}

// noQuorum names the node that is missed, and what keeps it away.
func (d decider) noQuorum() decision {
	for _, n := range d.p.Others(d.self()) {
		if !slices.Contains(d.me.Listed, n.Name) || slices.Contains(d.me.Synced, n.Name) {
			continue
		}
		a := d.peers[n.Name]
		switch {
		case a.err != nil:
			return waits("%s waits for quorum: %s", d.self(), d.unreachable(n.Name, a.err))
		case a.view.Stopped != "":
			return waits("%s waits for quorum: %s", d.self(), a.view.Stopped)
		case a.view.Running == "":
			return waits("%s waits for quorum: %s", d.self(), a.view.unsettled(d.cluster()))
		}
		own, _ := d.p.Node(d.self())
		return waits("corosync of %s and %s do not meet although their agents do: allow UDP 5405 between %s and %s and UDP 5406 between %s and %s",
			d.self(), n.Name, own.Address, n.Address, own.Ring, n.Ring)
	}
	return waits("%s waits for /etc/pve to synchronise", d.self())
}

// source is the peer whose key and configuration count: the one with the
// highest version that lists this node.
func (d decider) source() string {
	best, version := "", -1
	for _, n := range d.p.Others(d.self()) {
		if a := d.peers[n.Name]; a.err == nil && a.view.lists(d.cluster(), d.self()) && a.view.Version > version {
			best, version = n.Name, a.view.Version
		}
	}
	return best
}

// found is the decision of the founder that has no configuration in /etc/pve.
func (d decider) found() decision {
	if s := d.source(); s != "" {
		return d.comeBack(s)
	}
	for _, n := range d.p.Others(d.self()) {
		a := d.peers[n.Name]
		switch {
		case a.err != nil:
			return waits("no cluster is founded before all nodes answer: %s", d.unreachable(n.Name, a.err))
		case a.view.Name == d.cluster() || a.view.HostName == d.cluster():
			return stopped("%s has a configuration of %s that %s has lost: run firstboot leave on %s, then the cluster is founded anew", n.Name, d.cluster(), d.self(), n.Name)
		case a.view.Name != "" || a.view.HostName != "":
			return waits("%s is in the cluster %s: see its own status", n.Name, a.view.Name+a.view.HostName)
		case len(a.view.Guests) > 0:
			return waits("%s has guests (%s): move them away or remove them before it can join", n.Name, list(a.view.Guests))
		}
	}
	return decision{act: doCreate, verdict: Do(fmt.Sprintf("founds the cluster %s on %s", d.cluster(), d.self()), Change{Object: "cluster", Want: d.cluster()})}
}

// join is the decision of a joiner that has no configuration in /etc/pve.
func (d decider) join() decision {
	if s := d.source(); s != "" {
		return d.comeBack(s)
	}
	f := d.peers[d.founder()]
	switch {
	case f.err != nil:
		return waits("waits for %s to found the cluster %s: %s", d.founder(), d.cluster(), d.unreachable(d.founder(), f.err))
	case f.view.Stopped != "":
		return waits("waits for %s to found the cluster %s: %s", d.founder(), d.cluster(), f.view.Stopped)
	case f.view.Name == "":
		return waits("waits for %s to found the cluster %s", d.founder(), d.cluster())
	case f.view.Name != d.cluster():
		return waits("%s is in the cluster %s: see its own status", d.founder(), f.view.Name)
	}
	return d.ask(d.founder())
}

func (d decider) ask(source string) decision {
	return decision{act: doJoin, source: source, blank: d.me.HostName == "" && d.me.Key == "", verdict: Do(
		fmt.Sprintf("asks %s to be added to %s", source, d.cluster()), Change{Object: "cluster", Want: d.cluster()})}
}

// comeBack goes on with a node that the cluster lists already: a join that was
// interrupted, or a machine in the place of a lost one, which needs consent.
func (d decider) comeBack(source string) decision {
	blank := d.me.HostName == "" && d.me.Key == ""
	if !blank || !slices.Contains(d.peers[source].view.Known, d.self()) {
		return d.ask(source)
	}
	if !d.consent {
		return stopped("%s was a member of %s and is a new installation now: say so with replace: true in its profile, or with firstboot replace on %s", d.self(), d.cluster(), d.self())
	}
	// Adding changes the configuration: only one node does that, the founder or, for the founder, the first other one.
	adder := d.founder()
	if d.self() == adder {
		adder = source
		for _, n := range d.p.Others(d.self()) {
			if a := d.peers[n.Name]; a.err == nil && a.view.unsettled(d.cluster()) == "" {
				adder = n.Name
				break
			}
		}
	} else if a := d.peers[adder]; a.err != nil {
		return waits("waits for %s, which adds nodes: %s", adder, d.unreachable(adder, a.err))
	}
	return d.ask(adder)
}
