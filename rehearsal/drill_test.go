package rehearsal

import "testing"

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
