package agent

import (
	"testing"

	"ringboot/rehearsal/need"
)

// limit is the most that the agent may weigh: it travels on every image, and
// what it holds must be worth its place.
const limit = 16 << 20

func TestTheAgentIsSmall(t *testing.T) {
	binary, err := Open()
	if err != nil {
		if need.InCI() {
			t.Fatal("CI skips nothing: the agent is not built, run make")
		}
		t.Skip("the agent is not built: run make")
	}
	if binary.Size() > limit {
		t.Errorf("the agent has %d bytes, at most %d are allowed", binary.Size(), limit)
	}
}
