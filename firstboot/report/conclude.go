package report

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/throughput"
)

// Conclude computes the verdict from the parts. It is the only place that
// decides whether a cluster passed.
func (r *Report) Conclude() {
	var f findings
	r.Issues = slices.DeleteFunc(r.Issues, func(i Issue) bool { return i.Concluded })
	r.judgeCluster(&f)
	r.judgeStorage(&f)
	r.judgeDrills(&f)
	found := f
	for _, i := range r.Issues {
		switch i.Severity {
		case Warning:
			f.warn("%s", i.text())
		case Error:
			f.fail("%s", i.text())
		}
	}
	r.Verdict = conclude(r, f.failed, f.warned)
	r.Issues = append(r.Issues, r.concluded(found)...)
	r.Summary = r.summary()
}

// concluded are the issues that follow from the parts: every failure, every
// warning, and a fail-over that nobody has seen.
func (r *Report) concluded(f findings) (out []Issue) {
	for _, text := range f.failed {
		out = append(out, Issue{Severity: Error, Text: text, Remedy: "Mend it, then run firstboot accept on " + r.MadeBy + ".", Concluded: true})
	}
	for _, text := range f.warned {
		out = append(out, Issue{Severity: Warning, Text: text, Concluded: true})
	}
	if d, ok := r.failover(); ok && d.Outcome == Untried {
		out = append(out, Issue{Severity: Note, Text: "Whether a guest starts again elsewhere when its node dies was not tried: " + trimStop(d.Sentence) + ".",
			Remedy: r.howToCut(), Concluded: true})
	}
	return out
}

// howToCut says how the fail-over is tried on the cluster that there is: another
// node than the one that leads the drills is reset, with root's consent on it.
func (r *Report) howToCut() string {
	i := slices.IndexFunc(r.Cluster.Nodes, func(n NodeRow) bool { return n.Name != r.MadeBy })
	if i < 0 {
		return ""
	}
	victim := r.Cluster.Nodes[i].Name
	return fmt.Sprintf("As root, firstboot resume on all nodes, firstboot accept --consent on %s, then firstboot accept --power-cut %[1]s on %s: %[1]s is reset once, while a guest of the drill's own runs on it.", victim, r.MadeBy)
}

// failover is the drill in which a node dies.
func (r *Report) failover() (Drill, bool) {
	i := slices.IndexFunc(r.HA.Drills, func(d Drill) bool { return d.Name == "power-cut" })
	if i < 0 || !r.HA.Enabled {
		return Drill{}, false
	}
	return r.HA.Drills[i], true
}

// findings are what speaks against a cluster, the worst first.
type findings struct{ failed, warned []string }

func (f *findings) fail(format string, args ...any) {
	f.failed = append(f.failed, fmt.Sprintf(format, args...))
}

func (f *findings) warn(format string, args ...any) {
	f.warned = append(f.warned, fmt.Sprintf(format, args...))
}

func (r *Report) judgeCluster(f *findings) {
	if !r.Cluster.Quorate {
		f.fail("the cluster has no quorum")
	}
	if !r.Cluster.ConfigSame {
		f.fail("corosync.conf is not the same on every node")
	}
	for _, n := range r.Cluster.Nodes {
		if !n.Online {
			f.fail("%s is not online", n.Name)
		}
	}
	for _, l := range r.Cluster.Links {
		if !l.Connected {
			f.fail("corosync link %d from %s to %s is not connected", l.Link, l.Node, l.Peer)
		}
	}
	for _, l := range r.Ring.Links {
		switch l.Grade {
		case throughput.Bad:
			f.fail("ring, %s", l.Verdict)
		case throughput.Slow:
			f.warn("ring, %s", l.Verdict)
		}
	}
}

func (r *Report) judgeStorage(f *findings) {
	if r.Ceph.Enabled && r.Ceph.Health != "HEALTH_OK" {
		if r.Ceph.Health == "HEALTH_WARN" && len(r.Ceph.Allowed) > 0 {
			f.warn("Ceph warns: %s", r.Ceph.Allowed[0].Message)
		} else {
			f.fail("Ceph is %s", r.Ceph.Health)
		}
	}
	for _, a := range r.Access {
		if !a.Answered {
			f.fail("the management interface of %s does not answer", a.Node)
		}
	}
}

func (r *Report) judgeDrills(f *findings) {
	bad := slices.ContainsFunc(r.Ring.Links, func(l Link) bool { return l.Grade == throughput.Bad })
	for _, d := range r.HA.Drills {
		switch {
		case d.Outcome == Failed && (!d.ByLinks || !bad):
			f.fail("%s: %s", d.Name, d.Sentence)
		case d.Outcome == Warnings && !d.ByLinks:
			f.warn("%s: %s", d.Name, d.Sentence)
		}
	}
}

func (i Issue) text() string {
	if i.Node == "" {
		return i.Text
	}
	return i.Node + ": " + i.Text
}

func conclude(r *Report, failed, warned []string) Verdict {
	of := fmt.Sprintf("%s of %s", r.Cluster.Name, plural(len(r.Cluster.Nodes), "node"))
	var skipped []string
	for _, d := range r.HA.Drills {
		if d.Outcome == Untried {
			skipped = append(skipped, d.Name)
		}
	}
	tail := ""
	if len(skipped) > 0 {
		tail = " Not tried: " + strings.Join(skipped, ", ") + "."
	}
	switch {
	case len(failed) > 0:
		return Verdict{Failed, fmt.Sprintf("The cluster %s did not pass: %s.%s", of, trimStop(failed[0]), tail), append(failed, warned...)}
	case len(warned) > 0:
		return Verdict{Warnings, fmt.Sprintf("The cluster %s works, with %s to look at.%s", of, plural(len(warned), "thing"), tail), warned}
	}
	return Verdict{Passed, fmt.Sprintf("The cluster %s passed everything that was tried.%s", of, tail), []string{}}
}

func trimStop(s string) string { return strings.TrimSuffix(s, ".") }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
