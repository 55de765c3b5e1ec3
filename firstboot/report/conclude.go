package report

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/throughput"
)

// Names of the drills, in the order in which they run.
const (
	DrillManagement  = "management"
	DrillCorosync    = "corosync"
	DrillBandwidth   = "bandwidth"
	DrillStorage     = "storage"
	DrillMigration   = "migration"
	DrillMaintenance = "maintenance"
	DrillPowerCut    = "power-cut"
)

// DrillNames lists all drills in their order.
func DrillNames() []string {
	return []string{DrillManagement, DrillCorosync, DrillBandwidth, DrillStorage, DrillMigration, DrillMaintenance, DrillPowerCut}
}

// Conclude computes the verdict from the parts. It is the only place that
// decides whether a cluster passed.
func (r *Report) Conclude() {
	var failed, warned []string
	fail := func(format string, args ...any) { failed = append(failed, fmt.Sprintf(format, args...)) }
	warn := func(format string, args ...any) { warned = append(warned, fmt.Sprintf(format, args...)) }

	if !r.Cluster.Quorate {
		fail("the cluster has no quorum")
	}
	if !r.Cluster.ConfigSame {
		fail("corosync.conf is not the same on every node")
	}
	for _, n := range r.Cluster.Nodes {
		if !n.Online {
			fail("%s is not online", n.Name)
		}
	}
	for _, l := range r.Cluster.Links {
		if !l.Connected {
			fail("corosync link %d from %s to %s is not connected", l.Link, l.Node, l.Peer)
		}
	}
	for _, l := range r.Ring.Links {
		switch l.Grade {
		case throughput.Bad:
			fail("ring, %s", l.Verdict)
		case throughput.Slow:
			warn("ring, %s", l.Verdict)
		}
	}
	if r.Ceph.Enabled && r.Ceph.Health != "HEALTH_OK" {
		if r.Ceph.Health == "HEALTH_WARN" && len(r.Ceph.Allowed) > 0 {
			warn("Ceph warns: %s", r.Ceph.Allowed[0].Message)
		} else {
			fail("Ceph is %s", r.Ceph.Health)
		}
	}
	for _, a := range r.Access {
		if !a.Answered {
			fail("the management interface of %s does not answer", a.Node)
		}
	}
	for _, d := range r.HA.Drills {
		switch d.Outcome {
		case Failed:
			if d.Name != DrillBandwidth || !slices.ContainsFunc(r.Ring.Links, func(l Link) bool { return l.Grade == throughput.Bad }) {
				fail("%s: %s", d.Name, d.Sentence)
			}
		case Warnings:
			if d.Name != DrillBandwidth {
				warn("%s: %s", d.Name, d.Sentence)
			}
		}
	}
	for _, i := range r.Issues {
		if i.Severity == Warning {
			warn("%s", i.text())
		}
		if i.Severity == Error {
			fail("%s", i.text())
		}
	}
	r.Verdict = conclude(r, failed, warned)
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
