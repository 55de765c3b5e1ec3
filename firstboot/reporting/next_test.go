package reporting

import (
	"strings"
	"testing"

	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// One next step for each issue that has one, and where a failure was, the
// acceptance again.
func TestANextStepForEachIssue(t *testing.T) {
	r := &report.Report{Version: report.Version, MadeBy: "frege", Issues: []report.Issue{
		{Severity: report.Note, Text: "en06 came up on the second try"},
		{Severity: report.Error, Text: "ring 4.6 Gbit/s, below 5"},
		{Severity: report.Warning, Text: "Ceph warns"},
		{Severity: report.Note, Text: "was not tried", Remedy: "Pull a plug.", Concluded: true},
	}, Access: []report.Access{{URL: "https://10.203.3.11:8006/"}, {URL: "https://10.203.3.12:8006/", Status: "https://10.203.3.12:8644/", Answered: true}},
		Login: loginOf(&profiles.Profile{Users: []profiles.User{{Name: "kellen", ProxmoxRole: "Administrator", PasswordHash: "$y$"}, {Name: "guest"}}})}
	steps := nextSteps(r)
	for i, want := range []string{"Mend this: ring 4.6 Gbit/s, below 5.", "Look at this: Ceph warns.", "Try the fail-over. Pull a plug.", "Then run firstboot accept on frege."} {
		if len(steps) <= i || steps[i] != want {
			t.Fatalf("step %d of %q, want %q", i, steps, want)
		}
	}
	if !strings.Contains(strings.Join(steps, "\n"), "Backup at https://10.203.3.12:8006/.") {
		t.Errorf("no place for the backups: %q", steps)
	}
	// What a node says of its report is what the report says.
	r.NextSteps, r.Verdict = steps, report.Verdict{Outcome: report.Failed, Sentence: "It failed.", Reasons: []string{"ring 4.6 Gbit/s, below 5"}}
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	a, err := status.ReadAcceptance(text)
	if err != nil {
		t.Fatal(err)
	}
	if a.Outcome != string(report.Failed) || a.By != "frege" || a.Next != steps[0] || len(a.Web) != 1 || len(a.Report) != 1 || a.Report[0] != "https://10.203.3.12:8644/report" || strings.Join(a.Login.Users, " ") != "kellen root" {
		t.Errorf("a node says %+v", a)
	}
}
