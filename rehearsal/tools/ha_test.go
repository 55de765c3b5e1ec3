package tools

import (
	"encoding/json"
	"testing"
)

// A rule that is switched off is listed as such.
func TestARuleThatIsSwitchedOff(t *testing.T) {
	w := three(1)
	for _, line := range []string{
		"qm create 100 --name a --memory 128", "qm create 101 --name b --memory 128", "ha-manager add vm:100", "ha-manager add vm:101",
		"ha-manager rules add resource-affinity on --resources vm:100,vm:101 --affinity negative",
		"ha-manager rules add resource-affinity off --resources vm:100,vm:101 --affinity positive --disable 1",
	} {
		must(t, w, "frege", line)
	}
	var rules []struct {
		Rule    string `json:"rule"`
		Enabled int    `json:"enabled"`
	}
	res := do(t, w, "frege", "ha-manager rules config --output-format json")
	if err := json.Unmarshal(res.Stdout, &rules); err != nil || len(rules) != 2 {
		t.Fatalf("%s %v", res.Stdout, err)
	}
	for _, r := range rules {
		if (r.Enabled == 1) != (r.Rule == "on") {
			t.Errorf("%s", res.Stdout)
		}
	}
}

// What a stand-in lacks is not refused in the words of the real tool, which may have it.
func TestWhatAStandInDoesNotKnow(t *testing.T) {
	w := three(1)
	must(t, w, "frege", "qm create 100 --name a --memory 128")
	for line, want := range map[string]string{
		"qm config 100":             "ERROR: the stand-in does not know 'qm config'\n",
		"ha-manager set vm:100":     "ERROR: the stand-in does not know 'ha-manager set'\n",
		"ha-manager rules set on":   "ERROR: the stand-in does not know 'ha-manager rules set on'\n",
		"pvesm set vm --disable 1":  "ERROR: the stand-in does not know 'pvesm set vm'\n",
		"pveceph mon list":          "ERROR: the stand-in does not know 'pveceph mon list'\n",
		"pveum role list":           "ERROR: the stand-in does not know 'pveum role list'\n",
		"pvecm keygen /tmp/authkey": "ERROR: the stand-in does not know 'pvecm keygen'\n",
	} {
		if res := do(t, w, "frege", line); res.Code != 255 || string(res.Stderr) != want {
			t.Errorf("%s: %d %q", line, res.Code, res.Stderr)
		}
	}
}
