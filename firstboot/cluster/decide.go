package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// action is what Apply would do next.
type action int

const (
	doNothing action = iota
	doFound          // make key and configuration, and start
	doEnter          // take key and configuration, and start with them
	doStart          // start what should run, with the files that are here
	doCerts          // make the certificate
	doRemake         // take the halves of two CAs away, and do that
	doVote           // give this node, which is whole, its vote
)

// decision is what follows from the views of all nodes.
type decision struct {
	verdict step.Verdict
	act     action
	source  string // whom doEnter asks, "" for nobody
	takes   bool   // doEnter takes the place of a lost machine, or that of an added node
	heir    bool   // and the cluster was finished before
}

// decider holds what a decision rests on. It is pure: no call, no clock.
type decider struct {
	p     *profiles.Profile
	me    view
	peers map[string]answer
}

func (d decider) self() string    { return d.me.Node }
func (d decider) cluster() string { return d.p.Cluster.Name }
func (d decider) founder() string { return d.p.Nodes[0].Name }

func stopped(format string, args ...any) decision {
	return decision{verdict: step.Stop(fmt.Sprintf(format, args...))}
}

func waits(format string, args ...any) decision {
	return decision{verdict: step.Wait(fmt.Sprintf(format, args...))}
}

func does(act action, source, object, want, format string, args ...any) decision {
	return decision{act: act, source: source, verdict: step.Do(fmt.Sprintf(format, args...), step.Change{Object: object, Want: want})}
}

func (d decider) decide() decision {
	for _, name := range []string{d.me.Name, d.me.HostName} {
		if name != "" && name != d.cluster() {
			return stopped("%s is in the cluster %s, not in %s: reinstall it, or take it out of %s by hand", d.self(), name, d.cluster(), name)
		}
	}
	switch {
	case d.me.Contrary != "":
		return stopped("%s", d.me.Contrary)
	case !d.me.Mounted:
		return does(doStart, "", "pve-cluster", "active", "starts pve-cluster, which does not run on %s", d.self())
	case d.me.Wrong != "":
		return stopped("%s cannot be read: %s", d.self(), d.me.Wrong)
	case d.me.Name == "" && len(d.me.Foreign) > 0:
		return stopped("/etc/pve of %s holds %s, which a new cluster must not lose: move it away or remove it, or reinstall %s", d.self(), list(d.me.Foreign), d.self())
	}
	source := d.source()
	switch {
	case source != "" && d.me.Key != "" && d.peers[source].view.Key != d.me.Key:
		return stopped("%s", otherKey(d.self(), source))
	case source == "" && d.self() == d.founder() && (d.me.Name == "" || d.me.Key == ""):
		return d.found()
	case d.stale(source):
		return does(doEnter, source, "corosync.conf", fmt.Sprintf("version %d", d.peers[source].view.Version), "takes the configuration from %s that %s missed, because it was off when the cluster grew", source, d.self())
	case d.me.Name == "" || d.me.Key == "":
		return d.enter(source)
	}
	return d.member()
}

// source is the node whose key and configuration count: one on which root has
// admitted this machine, else the founder, or where it has none another one that
// is in the cluster.
func (d decider) source() string {
	first := ""
	for _, n := range d.p.Others(d.self()) { // the founder is the first of them
		a := d.peers[n.Name]
		in := a.view.Name == d.cluster() && a.view.Key != "" && a.view.Contrary == ""
		if a.err == nil && in && (n.Name == d.founder() || a.view.Quorate || slices.Contains(a.view.Known, d.self())) {
			if a.view.Admits == d.self() && a.view.Quorate {
				return n.Name
			}
			first = cmp.Or(first, n.Name)
		}
	}
	return first
}

// added reports whether this node came to the formed cluster.
func (d decider) added() bool { return slices.Contains(d.p.Added(), d.self()) }

// stale reports whether this node was off when the cluster grew: with the older
// configuration its corosync is let in by none of the others.
func (d decider) stale(source string) bool {
	a := d.peers[source].view
	return source != "" && len(d.p.Added()) > 0 && d.me.Name == d.cluster() && d.me.Key != "" && !d.me.Quorate && a.Quorate && a.Version > d.me.Version
}

// answered reports whether a node answered, and only not what it was asked: the
// keeper of a finished node says nothing of the cluster. One that is asked too
// often will.
func answered(err error) bool {
	var remote *trust.RemoteError
	return errors.As(err, &remote) && !remote.Busy()
}

func (d decider) finished(node string, err error) decision {
	return waits("%s is finished with the cluster %s (%v): if %s takes the place of a lost machine, run firstboot admit %s on %s", node, d.cluster(), err, d.self(), d.self(), node)
}

// secondMachine is why a node of a finished cluster gives its key to nobody.
func secondMachine(giver, cluster, node string) string {
	return fmt.Sprintf("%s hands the key of %s to no second machine of the name %s: if a new one takes the place of a lost one, run firstboot admit %s on %s", giver, cluster, node, node, giver)
}

func otherKey(node, source string) string {
	return fmt.Sprintf("%s has another corosync key than %s, and gives up none by itself: run firstboot leave on the one that is wrong", node, source)
}

// found is the decision of the founder while nobody is in the cluster.
func (d decider) found() decision {
	for _, n := range d.p.Others(d.self()) {
		a := d.peers[n.Name]
		switch other := a.view.Name + a.view.HostName; {
		case answered(a.err):
			return d.finished(n.Name, a.err)
		case a.err != nil:
			return waits("no cluster is founded before all nodes answer: %s", d.unreachable(n.Name, a.err))
		case a.view.Stopped != "":
			return waits("%s", a.view.Stopped)
		case a.view.Name != d.cluster() && a.view.HostName != d.cluster() && other != "":
			return waits("%s is in the cluster %s: see its own status", n.Name, other)
		case a.view.Key != "" && a.view.Key != d.me.Key:
			return stopped("%s has a key of %s that %s has lost: run firstboot leave on %s, then the cluster is founded anew", n.Name, d.cluster(), d.self(), n.Name)
		case a.view.Name == "" && len(a.view.Foreign) > 0:
			return waits("/etc/pve of %s holds %s: move it away or remove it before it can join", n.Name, list(a.view.Foreign))
		}
	}
	if added := d.p.Added(); len(added) > 0 {
		return stopped("%s was added to a cluster %s that no node has any more: take added out of the profile, and make the images of all nodes again", list(added), d.cluster())
	}
	return does(doFound, "", "cluster", d.cluster(), "founds the cluster %s on %s", d.cluster(), d.self())
}

// enter is the decision of a node that lacks the key or the configuration.
func (d decider) enter(source string) decision {
	given := d.me.Key != "" && d.me.Entering && !d.added() // it is enough
	if source == "" && !given {
		return d.unfounded(d.peers[d.founder()])
	}
	from := d.peers[source].view
	keyless, known := d.me.Key == "", slices.Contains(from.Known, d.self())
	switch {
	case keyless && known && from.Admits != d.self():
		return waits("%s", secondMachine(source, d.cluster(), d.self()))
	case keyless && d.added() && from.Admits != d.self():
		return waits("%s", notAdmitted(source, d.cluster(), d.self()))
	}
	enter := does(doEnter, source, "cluster", d.cluster(), "enters the cluster %s", d.cluster())
	enter.takes = keyless && (d.added() || known)
	enter.heir = from.Settled
	return enter
}

// unfounded says why the founder has not founded the cluster yet.
func (d decider) unfounded(founder answer) decision {
	switch {
	case answered(founder.err):
		return d.finished(d.founder(), founder.err)
	case founder.err != nil:
		return waits("waits for %s to found the cluster %s: %s", d.founder(), d.cluster(), d.unreachable(d.founder(), founder.err))
	case founder.view.Stopped != "":
		return waits("waits for %s to found the cluster %s: %s", d.founder(), d.cluster(), founder.view.Stopped)
	}
	return waits("waits for %s to found the cluster %s", d.founder(), d.cluster())
}

// member goes on from a configuration and a key that are here.
func (d decider) member() decision {
	if d.me.Running == "" {
		return does(doStart, "", "corosync", "active", "starts corosync and pve-cluster on %s", d.self())
	}
	if next, open := d.certify(); open {
		return next
	}
	in, missing := d.proven()
	switch own := d.me.unsettled(d.cluster()); {
	case missing == "" && own == "" && d.me.Votes == 0 && d.me.Comes && d.added():
		return does(doVote, "", "quorum_votes of "+d.self(), "1", "%s is whole and gets its vote", d.self())
	case missing == "" && own == "":
		return decision{verdict: step.IsDone(fmt.Sprintf("%s is whole: %s", d.cluster(), list(in)))}
	case own != "" && !d.me.Quorate && missing != "":
		return waits("%s waits for quorum: %s", d.self(), missing)
	case own != "":
		return waits("%s waits for /etc/pve to synchronise", d.self())
	}
	return waits("%s has %d of %d nodes: %s", d.cluster(), len(in), len(d.p.Nodes), missing)
}

// certify decides on the CA and this node's certificate, while they are open.
func (d decider) certify() (next decision, open bool) {
	switch {
	case d.me.Misfit && d.finishedOnce() != "":
		return stopped("the CA of %s and its key do not fit each other, so it gives no certificate: put the right key back into /etc/pve/priv (%s has been finished)", d.cluster(), d.finishedOnce()), true
	case d.me.Misfit && d.mute() != "":
		return waits("the CA of %s and its key do not fit each other; it is made anew once all nodes answer: %s", d.cluster(), d.mute()), true
	case d.me.Misfit && d.me.Quorate && d.me.Writable && d.first() == d.self():
		return does(doRemake, "", pve.RootCA, "and its key", "makes the CA of %s anew, whose halves do not fit each other", d.cluster()), true
	case d.me.needsCertificate() && !d.me.CA && d.first() != d.self():
		return waits("waits for %s to make the CA of the cluster %s", d.first(), d.cluster()), true
	case d.me.needsCertificate():
		return does(doCerts, "", pve.CertificateFile(d.self()), "of the cluster's CA", "makes the certificate of %s", d.self()), true
	}
	return decision{}, false
}

// proven are the nodes that are proven members, and why the first other is not.
func (d decider) proven() (in []string, missing string) {
	in = []string{d.self()}
	for _, n := range d.p.Others(d.self()) {
		why := d.missing(n.Name)
		missing = cmp.Or(missing, why)
		if why == "" {
			in = append(in, n.Name)
		}
	}
	return in, missing
}

// mute is why another node does not say whether it was finished, "" if all do.
func (d decider) mute() string {
	for _, n := range d.p.Others(d.self()) {
		if err := d.peers[n.Name].err; err != nil {
			return d.unreachable(n.Name, err)
		}
	}
	return ""
}

// finishedOnce is a node whose builder had left the cluster, "" if none had.
func (d decider) finishedOnce() string {
	if d.me.Settled {
		return d.self()
	}
	for _, n := range d.p.Others(d.self()) {
		if d.peers[n.Name].view.Settled {
			return n.Name
		}
	}
	return ""
}

// first is the node that makes the CA where a quorum began without the
// founder's: the first of those that share /etc/pve, so that there are never two.
func (d decider) first() string {
	for _, n := range d.p.Nodes {
		if slices.Contains(d.me.Synced, n.Name) {
			return n.Name
		}
	}
	return d.self()
}

// missing says why another node is not a proven member, as seen from here.
func (d decider) missing(node string) string {
	a := d.peers[node]
	switch {
	case a.err != nil:
		return d.unreachable(node, a.err)
	case a.view.Stopped != "":
		return a.view.Stopped
	case a.view.Running != "" && !slices.Contains(d.me.Synced, node) && (!a.view.Quorate || !d.me.Quorate):
		n, _ := d.p.Node(node)
		own, _ := d.p.Node(d.self())
		var pass []string
		for link, far := range d.p.Links(n) {
			pass = append(pass, fmt.Sprint("UDP ", corosyncPort+link, " between ", d.p.Links(own)[link], " and ", far))
		}
		return fmt.Sprintf("corosync of %s and %s do not meet although their agents do: allow %s", d.self(), node, list(pass))
	case a.view.unsettled(d.cluster()) != "":
		return a.view.unsettled(d.cluster())
	case a.view.Sum != d.me.Sum:
		return fmt.Sprintf("the configurations of %s (version %d) and %s (version %d) differ", node, a.view.Version, d.self(), d.me.Version)
	case !slices.Contains(d.me.Synced, node):
		return fmt.Sprintf("/etc/pve of %s and %s has not synchronised yet", d.self(), node)
	}
	return ""
}

// corosyncPort is that of the first link; each further one has the next.
const corosyncPort = 5405

func (d decider) unreachable(node string, err error) string {
	if answered(err) {
		return fmt.Sprintf("%s is there and says nothing of the cluster (%v)", node, err)
	}
	n, _ := d.p.Node(node)
	return fmt.Sprintf("%s does not answer at %s (%v): switch it on and check its cables", node, n.Address, err)
}
