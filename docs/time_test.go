package docs_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

// timeRow is a row of the README's time line: stage, seconds, seconds since power-on.
var timeRow = regexp.MustCompile(`(?m)^\| ([a-z]+[a-z, ]*)(?::[^|]*)? \| (\d+) \| (\d+) \|$`)

// The usual times that every view shows are those of the README's table, and
// the table adds up.
func TestUsualTimesAreTheMeasuredOnes(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	sum, seen := 0, map[string]bool{}
	for _, m := range timeRow.FindAllStringSubmatch(string(text), -1) {
		took, _ := strconv.Atoi(m[2]) // digits
		at, _ := strconv.Atoi(m[3])
		sum += took
		if sum < at-2 || sum > at+2 { // rounded to seconds
			t.Errorf("%s: the stages add up to %d s, the table says %d", m[1], sum, at)
		}
		usual := time.Duration(0)
		for step := range strings.SplitSeq(strings.TrimSuffix(m[1], " on every node"), ", ") {
			usual += profiles.Usual(step)
			seen[step] = true
		}
		if usual != 0 && usual != time.Duration(took)*time.Second {
			t.Errorf("%s: the README says %d s, the views say usually %s", m[1], took, usual)
		}
	}
	for _, step := range profiles.Steps() {
		if !seen[step] {
			t.Errorf("the README's time line lacks %s", step)
		}
	}
}

// A newcomer's commands, from the clone to the first stick.
func TestStepsToTheFirstImage(t *testing.T) {
	steps, found := 0, false
	for _, b := range blocks(t, "../README.md") {
		for line := range strings.Lines(b.text) {
			if line = strings.TrimSpace(line); line == "" || found {
				continue
			}
			steps++
			found = strings.HasPrefix(line, "mkimage --node ")
		}
	}
	if !found || steps > 6 {
		t.Errorf("an image after %d commands, found %v", steps, found)
	}
	need.Figure("newcomer.steps_to_image", steps, "commands")
}
