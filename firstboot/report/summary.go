package report

import (
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/throughput"
)

// summary is the report in six lines.
func (r *Report) summary() []Line {
	return []Line{r.sumNodes(), r.sumRing(), r.sumStorage(), r.sumFailover(), r.sumAccess(), r.sumTime()}
}

func outcome(ok bool) Outcome {
	if ok {
		return Passed
	}
	return Failed
}

func (r *Report) sumNodes() Line {
	online := 0
	for _, n := range r.Cluster.Nodes {
		if n.Online {
			online++
		}
	}
	text := fmt.Sprintf("%d of %d online, no quorum", online, len(r.Cluster.Nodes))
	if r.Cluster.Quorate {
		text = fmt.Sprintf("%d of %d online, quorum", online, len(r.Cluster.Nodes))
	}
	return Line{"Nodes", outcome(r.Cluster.Quorate && online == len(r.Cluster.Nodes)), text}
}

// sumRing names the slowest direction of all cables.
func (r *Report) sumRing() Line {
	l := Line{"Ring", Untried, "not measured"}
	slowest := 0.0
	for _, link := range r.Ring.Links {
		for _, way := range []*throughput.Result{link.There, link.Back} {
			if way != nil && (slowest == 0 || way.Gbit < slowest) {
				slowest = way.Gbit
			}
		}
		switch {
		case link.Grade == throughput.Bad:
			l.Outcome = Failed
		case link.Grade == throughput.Slow && l.Outcome != Failed:
			l.Outcome = Warnings
		case link.Grade == throughput.Good && l.Outcome == Untried:
			l.Outcome = Passed
		}
	}
	if slowest > 0 {
		l.Text = fmt.Sprintf("%s, the slowest at %s", plural(len(r.Ring.Links), "cable"), quantity(slowest, 1, "Gbit/s"))
	}
	return l
}

func (r *Report) sumStorage() Line {
	if !r.Ceph.Enabled {
		return Line{"Storage", Untried, "no Ceph: the profile does not ask for it"}
	}
	l := Line{"Storage", outcome(r.Ceph.Health == "HEALTH_OK"), fmt.Sprintf("Ceph %s, %s for guests", r.Ceph.Health, byteText(float64(r.Ceph.Usable)))}
	if r.Ceph.Health == "HEALTH_WARN" && len(r.Ceph.Allowed) > 0 {
		l.Outcome = Warnings
	}
	return l
}

func (r *Report) sumFailover() Line {
	d, ok := r.failover()
	if !ok {
		return Line{"Fail-over", Untried, "none: the profile does not ask for high availability"}
	}
	if d.Outcome == Untried {
		return Line{"Fail-over", Untried, "not tried: " + trimStop(d.Sentence)}
	}
	return Line{"Fail-over", d.Outcome, d.Sentence}
}

func (r *Report) sumAccess() Line {
	var at []string
	for _, a := range r.Access {
		if a.Answered {
			at = append(at, a.URL)
		}
	}
	if len(at) == 0 {
		return Line{"Web", Failed, "no management interface answers"}
	}
	return Line{"Web", outcome(len(at) == len(r.Access)), at[0] + ", " + r.Login.text()}
}

// text says who logs in.
func (l Login) text() string {
	if len(l.Users) == 0 {
		return "as root"
	}
	return "as " + strings.Join(l.Users, " or ") + ", realm " + l.Realm
}

func (r *Report) sumTime() Line {
	if r.Seconds <= 0 {
		return Line{"Time", Untried, "not known"}
	}
	return Line{"Time", Passed, (time.Duration(r.Seconds) * time.Second).String() + " from the first step to this report"}
}
