package draw

import (
	"net/url"
	"time"

	"ringboot/firstboot/status"
)

// stagesOf are the steps of a plan with how long each took: steps are done one
// after the other.
func stagesOf(steps []status.StepStatus) []Stage {
	var out []Stage
	var before time.Time
	for _, p := range steps {
		g := Stage{Name: status.Clean(p.Name), State: status.Clean(p.State)}
		if p.State == "done" {
			if !before.IsZero() && p.Since.After(before) {
				g.Took = p.Since.Sub(before)
			}
			before = p.Since
		}
		out = append(out, g)
	}
	return out
}

// acceptance is that of the newest report, with nothing in it that could steer
// a terminal or lead elsewhere.
func acceptance(s Sources) *status.Acceptance {
	var newest *status.Acceptance
	for _, name := range s.names() {
		if a := s.Asked[name].Acceptance; a != nil && (newest == nil || a.Made.After(newest.Made)) {
			newest = a
		}
	}
	if newest == nil {
		return nil
	}
	a := *newest
	links := func(in []string) (out []string) {
		for _, at := range in {
			if u, err := url.Parse(at); err == nil && u.Scheme == "https" {
				out = append(out, u.String())
			}
		}
		return out
	}
	texts := func(in []string) (out []string) {
		for _, t := range in {
			out = append(out, status.Clean(t))
		}
		return out
	}
	a.Run, a.By, a.Outcome, a.Next, a.Login.Realm = status.Clean(a.Run), status.Clean(a.By), status.Clean(a.Outcome), status.Clean(a.Next), status.Clean(a.Login.Realm)
	a.Reasons, a.Login.Users, a.Web, a.Report = texts(a.Reasons), texts(a.Login.Users), links(a.Web), links(a.Report)
	return &a
}
