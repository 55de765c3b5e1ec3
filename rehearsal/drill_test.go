package rehearsal

import (
	"os"
	"strings"
	"testing"
)

// A drill that lacks something would be found out after half an hour of
// machines; one that no document knows, by nobody.
func TestEveryDrillOfARehearsalIsAWholeRow(t *testing.T) {
	text, err := os.ReadFile("../docs/verification.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range Drills() {
		if d.Name == "" || d.Says == "" || d.run == nil || seen[d.Name] {
			t.Errorf("the drill %q lacks its name, its sentence or what it does, or is a second one", d.Name)
		}
		seen[d.Name] = true
		if !strings.Contains(string(text), d.Name) {
			t.Errorf("docs/verification.md does not say whether the drill %q was seen to pass, and how long it took", d.Name)
		}
	}
}

// A seed that is written down plays the same drill in every edition, whichever
// drills have come to stand before it.
func TestASeedPlaysTheSameDrill(t *testing.T) {
	seen := map[int]string{}
	for _, d := range Drills() {
		n := chance(7, d.Name).IntN(1e9)
		if other := seen[n]; other != "" {
			t.Errorf("%s and %s are played by the same chance", d.Name, other)
		}
		seen[n] = d.Name
	}
	if got := chance(7, "power-cut-one").IntN(1e9); got != 7466995 {
		t.Errorf("seed 7 of power-cut-one begins with %d", got)
	}
}
