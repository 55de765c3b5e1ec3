package draw

import (
	"encoding/json"
	"strings"
	"testing"

	"ringboot/firstboot/status"
)

// What a stranger sees is in no picture more than names, phases and a verdict
// of bounded length, and nothing in it leads elsewhere.
func TestAStrangersPicture(t *testing.T) {
	p := Picture{Version: Version, Cluster: "principia", State: status.StateStopped, Verdict: "stopped: " + strings.Repeat("ü", 500) + "<script>", Risks: []string{"secret"}, Do: "secret", Drift: []string{"secret"},
		Events: []Event{{Node: "frege", Text: "secret"}}, Links: []Link{{A: "frege", APort: "secret", Why: "secret"}}, Acceptance: &status.Acceptance{By: "secret"},
		Nodes: []NodeView{{Name: "frege<b>", Address: "secret", Phase: "ceph", Step: 8, Steps: 11, Waiting: "secret", Note: "secret", Plan: "secret", Page: "secret", Web: "secret", Seen: status.State{Why: "secret"}}}}
	page, err := p.Stranger().Page()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p.Stranger())
	if err != nil {
		t.Fatal(err)
	}
	for form, got := range map[string]string{"page": string(page), "JSON": string(text)} {
		if strings.Contains(got, "secret") || strings.Contains(got, "<script>") || strings.Contains(got, "<b>") && form == "JSON" {
			t.Errorf("the %s: %s", form, got)
		}
		if n := strings.Count(got, "ü"); n == 0 || n > strangerVerdict {
			t.Errorf("the %s repeats %d letters of the verdict", form, n)
		}
	}
	if got := string(page); !strings.Contains(got, "frege&lt;b&gt;") || !strings.Contains(got, "ceph 8/11") || !strings.Contains(got, `class="verdict bad"`) {
		t.Errorf("the page: %s", got)
	}
}
