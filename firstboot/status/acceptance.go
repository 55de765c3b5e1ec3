package status

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How an acceptance came out, in the words of its report.
const (
	OutcomePassed   = "passed"
	OutcomeWarnings = "warnings"
)

// Acceptance is what a node says of the report that lies on it: how the tests
// came out, and how one goes in.
type Acceptance struct {
	Run     string     `json:"run"`
	Made    time.Time  `json:"made"`
	By      string     `json:"by"` // node that ran it
	Outcome string     `json:"outcome"`
	Reasons []string   `json:"reasons,omitempty"` // the worst first
	Web     []string   `json:"web,omitempty"`     // management interfaces that answered
	Report  []string   `json:"report,omitempty"`  // where a browser reads it
	Login   Login      `json:"login,omitzero"`
	Next    string     `json:"next,omitempty"` // the first of the next steps
	Links   []Measured `json:"links,omitempty"`
}

// Login is who may log in to the management interface.
type Login struct {
	Users []string `json:"users,omitempty"`
	Realm string   `json:"realm,omitempty"`
}

// Measured is what a cable of the ring carried in the acceptance.
type Measured struct {
	A     string  `json:"a"`
	B     string  `json:"b"`
	Gbit  float64 `json:"gbit"` // the slower direction
	Grade string  `json:"grade"`
}

type gbit struct {
	Gbit float64 `json:"gbit"`
}

// reported is what is read of a report.
type reported struct {
	Run     string    `json:"run"`
	Made    time.Time `json:"made"`
	MadeBy  string    `json:"made_by"`
	Verdict struct {
		Outcome  string   `json:"outcome"`
		Sentence string   `json:"sentence"`
		Reasons  []string `json:"reasons"`
	} `json:"verdict"`
	Access []struct {
		URL      string `json:"url"`
		Status   string `json:"status"`
		Answered bool   `json:"answered"`
	} `json:"access"`
	Login Login    `json:"login"`
	Next  []string `json:"next_steps"`
	Ring  struct {
		Links []struct {
			A     string `json:"a"`
			B     string `json:"b"`
			Grade string `json:"grade"`
			There *gbit  `json:"a_to_b"`
			Back  *gbit  `json:"b_to_a"`
		} `json:"links"`
	} `json:"ring"`
}

// ReadAcceptance takes out of a report's JSON form what a node says of it. Its
// sentences may be another node's.
func ReadAcceptance(report []byte) (*Acceptance, error) {
	var r reported
	if err := json.Unmarshal(report, &r); err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	if r.Verdict.Outcome == "" {
		return nil, fmt.Errorf("the report has no verdict: run firstboot accept to have it written anew")
	}
	cleaned := func(in []string) (out []string) {
		for _, t := range in {
			out = append(out, Clean(t))
		}
		return out
	}
	a := &Acceptance{Run: Clean(r.Run), Made: r.Made, By: Clean(r.MadeBy), Outcome: Clean(r.Verdict.Outcome), Reasons: cleaned(r.Verdict.Reasons),
		Login: Login{cleaned(r.Login.Users), Clean(r.Login.Realm)}}
	if len(a.Reasons) == 0 && a.Outcome != OutcomePassed {
		a.Reasons = []string{Clean(r.Verdict.Sentence)}
	}
	for _, at := range r.Access {
		if at.Answered {
			a.Web = append(a.Web, Clean(at.URL))
		}
		if at.Answered && at.Status != "" {
			a.Report = append(a.Report, Clean(at.Status)+"report")
		}
	}
	if len(r.Next) > 0 {
		a.Next = Clean(r.Next[0])
	}
	for _, l := range r.Ring.Links {
		if l.There != nil && l.Back != nil {
			a.Links = append(a.Links, Measured{Clean(l.A), Clean(l.B), min(l.There.Gbit, l.Back.Gbit), Clean(l.Grade)})
		}
	}
	return a, nil
}

// reason is the first thing that speaks against the cluster.
func (a *Acceptance) reason() string {
	switch len(a.Reasons) {
	case 0:
		return "no reason is given"
	case 1:
		return a.Reasons[0]
	}
	return fmt.Sprintf("%s, and %s more", a.Reasons[0], count(len(a.Reasons)-1, "reason"))
}

// Row is one line of the box that closes the trip.
type Row struct{ Label, Text string }

// Closing is what one does with a cluster that is formed: where it is, who logs
// in, where the report is, and what comes next.
func (a *Acceptance) Closing() []Row {
	if a == nil {
		return nil
	}
	rows := []Row{{"open", strings.Join(a.Web, "  ")}, {"log in", a.Login.text()}, {"report", strings.Join(append([]string{"peers report > report.html"}, a.Report...), "  or  ")}, {"next", a.Next}}
	return slices.DeleteFunc(rows, func(r Row) bool { return r.Text == "" })
}

// text says who logs in, and with what.
func (l Login) text() string {
	if len(l.Users) == 0 {
		return "as root, with the password that mkimage secrets shows"
	}
	return fmt.Sprintf("as %s, realm %s (passwords: mkimage secrets)", strings.Join(l.Users, " or "), l.Realm)
}

// Of returns what the cable between two nodes carried.
func (a *Acceptance) Of(one, other string) (Measured, bool) {
	if a == nil {
		return Measured{}, false
	}
	i := slices.IndexFunc(a.Links, func(l Measured) bool { return l.A == one && l.B == other || l.A == other && l.B == one })
	if i < 0 {
		return Measured{}, false
	}
	return a.Links[i], true
}
