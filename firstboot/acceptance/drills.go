package acceptance

import (
	"context"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/profiles"
)

// PowerCut is the drill that outlives the restart of a node: the record of
// a run asks for it.
const PowerCut = "power-cut"

// drill is one drill, with everything that follows from it.
type drill struct {
	Name  string // short and stable: the key below acceptance in a profile, with - for _
	Title string // as the report shows it
	// Consent reports whether the profile agrees to it; nil where it takes
	// nothing away from anybody.
	Consent func(profiles.Acceptance) bool
	Needs   []need // what there must be, the first that is missing is the reason
	Looks   bool   // it takes what it finds for true only if it stays so: links and interfaces come up after their node
	ByLinks bool   // its outcome is told link by link
	// AtRisk reports whether it would take down or move a guest of others; nil
	// where it leaves all of them alone.
	AtRisk func(*Accept, *Record, pve.Guest) bool
	Cuts   bool // a node goes down on purpose, and the drill goes on when it is back
	Run    func(*Accept, context.Context, *Record) (report.Drill, error)
}

func anyGuest(*Accept, *Record, pve.Guest) bool { return true }

func onVictim(s *Accept, r *Record, g pve.Guest) bool { return g.Node == s.victim(r) }

// need is something of the profile that a drill cannot do without.
type need struct {
	met func(*profiles.Profile) bool
	why string // the sentence where it is not met
}

// drills are all drills, in the order in which they run.
func drills() []drill {
	storage := []need{{func(p *profiles.Profile) bool { return p.Ceph.Enabled }, "there is no shared storage: the profile does not ask for Ceph"}}
	both := []need{{func(p *profiles.Profile) bool { return p.Ceph.Enabled && p.HA.Enabled }, "it needs Ceph and high availability, which the profile does not ask for"}}
	return []drill{
		{Name: "management", Title: "Management path", Looks: true, Run: (*Accept).management},
		{Name: "corosync", Title: "Corosync links", Looks: true, Run: (*Accept).corosync},
		{Name: "bandwidth", Title: "Ring bandwidth", Consent: func(a profiles.Acceptance) bool { return a.Bandwidth }, ByLinks: true, Run: (*Accept).bandwidth},
		{Name: "storage", Title: "Ceph write and read", Needs: storage, Run: (*Accept).storage},
		{Name: "migration", Title: "Live migration", Consent: func(a profiles.Acceptance) bool { return a.Migration }, Needs: storage, AtRisk: anyGuest, Run: (*Accept).migration},
		{Name: "maintenance", Title: "Planned maintenance", Consent: func(a profiles.Acceptance) bool { return a.Maintenance }, Needs: both, AtRisk: anyGuest, Run: (*Accept).maintenance},
		{Name: PowerCut, Title: "Power cut", Consent: func(a profiles.Acceptance) bool { return a.PowerCut.Given() }, Needs: both, AtRisk: onVictim, Cuts: true, Run: (*Accept).powerCut},
	}
}

// Names are the names of all drills, in the order in which they run.
func Names() []string {
	var names []string
	for _, d := range drills() {
		names = append(names, d.Name)
	}
	return names
}

// outcome is a result of this drill, as the report shows it.
func (d drill) outcome(r report.Drill) report.Drill {
	r.Name, r.Title, r.ByLinks = d.Name, d.Title, d.ByLinks
	return r
}

// victimOf is the node whose power is cut: the profile's, or the last one that is
// not the middle of a chain, without which the others have no storage.
func victimOf(p *profiles.Profile) string {
	if v := p.Acceptance.Victim; v != "" {
		return v
	}
	ends := p.Others(p.Ring.Chain)
	return ends[len(ends)-1].Name
}

// CoordinatorOf is the node that runs the drills: the first one that is not the victim.
func CoordinatorOf(p *profiles.Profile) string {
	for _, n := range p.Nodes {
		if n.Name != victimOf(p) {
			return n.Name
		}
	}
	return p.Founder().Name
}
