package host_test

import (
	"os"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/need"
)

// What the agent starts is no better than other programs when memory is short.
func TestWhatIsStartedHasTheUsualPlace(t *testing.T) {
	need.Root(t)
	const own = "/proc/self/oom_score_adj"
	before, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	// Worse than usual: every machine lets a process do that to itself.
	if err := os.WriteFile(own, []byte("500"), 0); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(own, []byte(strings.TrimSpace(string(before))), 0); err != nil {
			t.Error(err)
		}
	}()
	h := host.New("")
	r, err := h.Commands.Run(t.Context(), host.Cmd{Argv: []string{"sh", "-c", "sleep 0.2; cat /proc/self/oom_score_adj"}, ReadOnly: true})
	if err != nil || strings.TrimSpace(string(r.Stdout)) != "0" {
		t.Errorf("%q %v", r.Stdout, err)
	}
}
