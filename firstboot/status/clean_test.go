package status

import (
	"strings"
	"testing"
)

// The report may be another node's: nothing in it reaches a terminal raw.
func TestASentenceOfTheReportSteersNoTerminal(t *testing.T) {
	const evil = `\u001b[2J\u202e`
	a, err := ReadAcceptance([]byte(`{"made_by":"` + evil + `","run":"` + evil + `","verdict":{"outcome":"failed` + evil + `","reasons":["` + evil + `"]},"access":[{"url":"` + evil + `","status":"` + evil + `","answered":true}],
		"login":{"users":["` + evil + `"],"realm":"` + evil + `"},"next_steps":["` + evil + `"],"ring":{"links":[{"a":"` + evil + `","b":"` + evil + `","grade":"` + evil + `","a_to_b":{},"b_to_a":{}}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	said := []string{a.Run, a.By, a.Outcome, a.Reasons[0], a.Web[0], a.Report[0], a.Login.Users[0], a.Login.Realm, a.Next, a.Links[0].A, a.Links[0].B, a.Links[0].Grade}
	if all := strings.Join(said, ""); strings.ContainsAny(all, "\x1b\u202e") || !strings.Contains(all, "[2J") {
		t.Errorf("it says %q", said)
	}
}
