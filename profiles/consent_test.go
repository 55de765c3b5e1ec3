package profiles

import (
	"encoding/json"
	"strings"
	"testing"
)

// A consent is true, false or ask, however it is written; what stood in a plan
// before there was a third word is the same plan.
func TestAConsentHasThreeWords(t *testing.T) {
	const line = "  power_cut: ask "
	for word, want := range map[string]Consent{"true": ConsentYes, "false": ConsentNo, "ask": ConsentAsk, `"ask"`: ConsentAsk, `"true"`: ConsentYes, "": ConsentAsk, "maybe": "", "yes": ""} {
		text := strings.Replace(string(DefaultText()), line, "  power_cut: "+word+" ", 1)
		p, err := Load("p.yaml", []byte(text))
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "acceptance.power_cut: \""+word+"\" is not known; allowed: false, true, ask") {
				t.Errorf("%s: %v", word, err)
			}
			continue
		}
		if err != nil || p.Acceptance.PowerCut != want {
			t.Fatalf("%s is %q: %v", word, p.Acceptance.PowerCut, err)
		}
		if word[:min(1, len(word))] != `"` && !schemaAccepts(t, text) {
			t.Errorf("the schema refuses %s", word)
		}
		whole, err := Marshal(p)
		if bare := map[Consent]string{ConsentYes: "true", ConsentNo: "false", ConsentAsk: "ask"}[want]; err != nil || !strings.Contains(string(whole), "power_cut: "+bare+"\n") {
			t.Errorf("%s is written back as %s %v", word, whole, err)
		}
		asJSON, err := json.Marshal(p)
		var back Profile
		if err != nil || json.Unmarshal(asJSON, &back) != nil || back.Acceptance.PowerCut != want {
			t.Errorf("%s is read back from JSON as %q: %v", word, back.Acceptance.PowerCut, err)
		}
	}
	const earlier = "19b27408a6db9d2c5a6003932774ba1d1cabacff51215fab716717b41b854561"
	for _, written := range []string{"  power_cut: false ", "  # power_cut: false ", "  power_cut: "} {
		p, err := Load("p.yaml", []byte(strings.Replace(string(DefaultText()), line, written, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if h, err := p.PlanHashes("frege"); err != nil || h.Cluster != earlier {
			t.Errorf("a plan of an earlier edition with %q has another hash: %s, %v", written, h.Cluster, err)
		}
	}
}
