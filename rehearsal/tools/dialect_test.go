package tools

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/spelling"
	"ringboot/rehearsal/need"
)

var (
	dogText     = regexp.MustCompile(`(?m)^(lrm .*), watchdog \w+,`)
	fencingText = regexp.MustCompile(`(?m)^fencing .*\n`)
)

// derived is what a release would have answered where 9.2 was recorded. Only what
// the public sources of its versions say otherwise differs.
func derived(r profiles.Release, recorded string) string {
	text := strings.NewReplacer("9.2.11", r.Manager, `"release":"9.2"`, `"release":"`+r.Name+`"`).Replace(recorded)
	if r.HA == profiles.HAPlain {
		text = fencingText.ReplaceAllString(dogText.ReplaceAllString(text, "$1,"), "")
	}
	return text
}

// TestEveryDialect plays every recording in the words of every release, and asks
// for every answer of every Ceph that the release installs.
func TestEveryDialect(t *testing.T) {
	played, failed := 0, 0
	for _, r := range profiles.Releases() {
		t.Run(r.Name, func(t *testing.T) {
			for _, play := range []func(*testing.T, profiles.Release) (int, int){clusterTranscripts, storageTranscripts} {
				good, bad := play(t, r)
				played, failed = played+good+bad, failed+bad
			}
			for _, c := range r.Ceph {
				good, bad := cephAnswers(t, r, c.Name)
				played, failed = played+good+bad, failed+bad
			}
		})
	}
	need.Figure("dialects.transcripts", played, "count")
	need.Figure("dialects.failed", failed, "count")
}

// What a release does not know is refused in its own words, and what the agent
// sends is refused by none of them.
func TestDialectsOfParameters(t *testing.T) {
	for _, r := range profiles.Releases() {
		w := three(3)
		if err := Speak(w, r.Name); err != nil {
			t.Fatal(err)
		}
		for _, c := range []string{"reef", "squid", "tentacle"} {
			res := do(t, w, "frege", "pveceph install --version "+c+" --repository no-subscription")
			refused := strings.Contains(string(res.Stderr), "version: value '"+c+"' does not have a value in the enumeration")
			if refused == r.TakesCeph(c) {
				t.Errorf("%s: Ceph %s: %s", r.Name, c, res.Stderr)
			}
		}
		for _, word := range []string{"no-subscription", "enterprise", "manual"} {
			res := do(t, w, "frege", "pveceph install --version squid --repository "+word)
			refused := strings.Contains(string(res.Stderr), "repository: value '"+word+"' does not have a value in the enumeration")
			if refused == slices.Contains(r.CephRepositories, word) {
				t.Errorf("%s: repository %s: %s", r.Name, word, res.Stderr)
			}
		}
		for layout := range spelling.Shipped().Keyboards {
			if res := do(t, w, "frege", "pvesh set /cluster/options --keyboard "+spelling.ClusterKeyboard(layout)); res.Code != 0 {
				t.Errorf("%s: keyboard %s: %d %s", r.Name, layout, res.Code, res.Stderr)
			}
		}
		res := do(t, w, "frege", "pvesh set /cluster/options --keyboard dk")
		if res.Code != 255 || !strings.HasPrefix(string(res.Stderr), "400 Parameter verification failed.\nkeyboard: value 'dk' does not have a value in the enumeration 'de, de-ch, da,") {
			t.Errorf("%s: %d %s", r.Name, res.Code, res.Stderr)
		}
		if got := string(do(t, w, "frege", "pveversion").Stdout); !strings.HasPrefix(got, "pve-manager/"+r.Manager+"/") {
			t.Errorf("%s: pveversion says %s", r.Name, got)
		}
	}
}
