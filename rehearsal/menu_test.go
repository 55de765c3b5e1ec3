package rehearsal

import (
	"strings"
	"testing"
	"time"
)

func TestOnlyAMenuThatCountsForTooLongIsSlow(t *testing.T) {
	counting := func(seconds string) string {
		return strings.Repeat("x", 500) + "   The highlighted entry will be executed automatically in " + seconds + "s.                   "
	}
	start := time.Now()
	for _, c := range []struct {
		name string
		said []string // one piece each ten seconds
		want []bool
	}{
		{"in time", []string{counting("10"), counting("1"), counting("1") + "\nLoading ..."}, []bool{false, false, false}},
		{"too slow", []string{counting("10"), counting("8"), counting("7"), counting("6"), counting("5")}, []bool{false, false, true, false, true}},
		{"drawn slowly", []string{counting("9"), counting("9") + "  The highlighted en", counting("8") + "   The highlighted entry will be exec"}, []bool{false, false, true}},
		{"it acts and says nothing more", []string{counting("1"), counting("0"), counting("0"), counting("0")}, []bool{false, false, false, false}},
		{"no menu", []string{"", "login: ", "login: ", "login: "}, []bool{false, false, false, false}},
		{"two menus", []string{counting("9"), "Loading", counting("9"), counting("8")}, []bool{false, false, false, false}},
	} {
		var m menu
		for i, text := range c.said {
			if got := m.slow(text, start.Add(time.Duration(i)*10*time.Second)); got != c.want[i] {
				t.Errorf("%s, piece %d: %v", c.name, i, got)
			}
		}
	}
}
