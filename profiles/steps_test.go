package profiles

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestUsualTimesAreTheReadmes holds the times against the table of the README,
// which is that of a run.
func TestUsualTimesAreTheReadmes(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| ([^|:]+)(?:: [^|]*)? \| (\d+) \| \d+ \|$`).FindAllStringSubmatch(string(text), -1)
	seen := 0
	for _, m := range rows {
		var sum time.Duration
		for name := range strings.SplitSeq(m[1], ",") {
			first, _, _ := strings.Cut(strings.TrimSpace(name), " ")
			usual := Usual(first)
			sum += usual
			if usual > 0 {
				seen++
			}
		}
		if s, _ := strconv.Atoi(m[2]); sum > 0 && sum != time.Duration(s)*time.Second {
			t.Errorf("%s: %s, the README has %d s", m[1], sum, s)
		}
	}
	if seen != len(Steps()) {
		t.Errorf("%d of %d steps are in the README's table", seen, len(Steps()))
	}
}
