package draw

import (
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
)

// accepted is what a node says of a report that came out so.
func accepted(outcome string, reasons ...string) *status.Acceptance {
	a := &status.Acceptance{Run: "20261123T015500Z", Made: now.Add(-time.Minute), By: "frege", Outcome: outcome, Reasons: reasons,
		Login: status.Login{Users: []string{"kellen", "root"}, Realm: "Linux PAM standard authentication"}, Next: "Take the installation sticks out of the machines and keep them.",
		Links: []status.Measured{{A: "frege", B: "russell", Gbit: 22.4, Grade: "good"}, {A: "russell", B: "wittgenstein", Gbit: 21.9, Grade: "good"}, {A: "wittgenstein", B: "frege", Gbit: 22.7, Grade: "good"}}}
	switch outcome {
	case status.OutcomeWarnings:
		a.Links[0].Gbit, a.Links[0].Grade = 13.2, gradeSlow
	case "failed":
		a.Links[0].Gbit, a.Links[0].Grade = 4.6, gradeBad
	}
	for i := range names {
		a.Web = append(a.Web, fmt.Sprintf("https://10.203.3.%d:8006/", 11+i))
		a.Report = append(a.Report, fmt.Sprintf("https://10.203.3.%d:8644/report", 11+i))
	}
	return a
}

// TestOneVerdictInEveryPlace looks for the verdict in all that a picture is
// drawn as, and for what to do about it.
func TestOneVerdictInEveryPlace(t *testing.T) {
	flat := func(text string) string { return strings.Join(strings.Fields(html.UnescapeString(text)), " ") }
	seen := map[string]bool{}
	for name, s := range pictures() {
		p := New(s)
		seen[p.State] = true
		page, err := p.Page()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		v, rest, _ := strings.Cut(p.Verdict, ": ")
		for form, drawn := range map[string]string{"text": p.Text(Style{Width: 80}), "screen": p.Screen(Style{Width: 200}, 60, Fold{}), "plain": strings.ReplaceAll(p.Plain(), `\"`, `"`), "page": string(page), "JSON": string(text)} {
			if form == "JSON" {
				var back Picture
				if err := json.Unmarshal(text, &back); err != nil || back.Verdict != p.Verdict || back.State != p.State || back.Do != p.Do || back.Standing() != p.Standing() {
					t.Errorf("%s: the JSON form says %s %q", name, back.State, back.Verdict)
				}
				continue
			}
			for _, want := range []string{v, flat(rest), flat(p.Do)} {
				if !strings.Contains(flat(drawn), want) {
					t.Errorf("%s: the %s does not hold %q:\n%s", name, form, want, drawn)
				}
			}
			for _, row := range p.Acceptance.Closing() {
				words := strings.Fields(row.Text)
				if form == "page" && row.Label == "report" {
					words = []string{`href="/report"`} // of the node that let this browser in; the others would not
				}
				if form != "plain" && p.Standing().Formed && !strings.Contains(flat(drawn), words[0]) && !strings.Contains(drawn, words[len(words)-1]) {
					t.Errorf("%s: the %s does not close with %q", name, form, row.Text)
				}
			}
		}
	}
	for _, state := range []string{status.StateEmpty, status.StateStopped, status.StateWaiting, status.StateForming, status.StateFormed, status.StateAccepted, status.StateWarnings, status.StateNotAccepted} {
		if !seen[state] {
			t.Errorf("no picture is %s", state)
		}
	}
}

// A risk that all nodes see is one risk, and a line says who sees it.
func TestARiskStandsOnce(t *testing.T) {
	s := pictures()["formed"]
	clock := "the clock of frege is right but not synchronised: check its time servers"
	for i, name := range names {
		own := s.Asked[name]
		own.Risks = []string{clock}
		if i == 1 {
			own.Risks = append(own.Risks, "one port only")
		}
		s.Asked[name] = own
	}
	p := New(s)
	if want := []string{strings.Join(names[:], ", ") + ": " + clock, names[1] + ": one port only"}; !slices.Equal(p.Risks, want) {
		t.Errorf("%q, want %q", p.Risks, want)
	}
	if p.Verdict != "formed: 3 of 3 nodes, 2 risks" {
		t.Errorf("%s", p.Verdict)
	}
}
