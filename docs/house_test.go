package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"ringboot/profiles"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The trip that the documents draw has the steps of the plan, in its order.
func TestTheTripHasEveryStep(t *testing.T) {
	steps := profiles.Steps()
	if line := "install -> " + strings.Join(steps, " -> ") + "\n"; !strings.Contains(document(t, "../README.md"), line) {
		t.Errorf("README.md draws another trip than %q", line)
	}
	trip := document(t, "how-it-works.md")
	for i, step := range steps {
		if !strings.Contains(trip, fmt.Sprintf(" %d %s", i+1, step)) {
			t.Errorf("how-it-works.md draws no step %q with the number %d: its picture of the trip is another", step, i+1)
		}
	}
}

// Every room of the agent is in the table of the house: who looks for a line
// finds its room by what is said there.
func TestEveryRoomIsInTheTableOfTheHouse(t *testing.T) {
	_, house, ok := strings.Cut(document(t, "how-it-works.md"), "\n## The house\n")
	house, _, more := strings.Cut(house, "\n## ")
	if !ok || !more {
		t.Fatal("how-it-works.md has no section on the house")
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9./]+)`").FindAllStringSubmatch(house, -1) {
		named[path.Base(m[1])] = true
	}
	rooms := 0
	err := fs.WalkDir(os.DirFS("../firstboot"), ".", func(at string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(at, ".go") || strings.HasSuffix(at, "_test.go") {
			return err
		}
		if room := path.Join("firstboot", path.Dir(at)); !named[path.Base(room)] {
			named[path.Base(room)] = true // once is enough
			t.Errorf("the table of the house in how-it-works.md does not say what is in %s", room)
		}
		rooms++
		return nil
	})
	if err != nil || rooms < 100 {
		t.Errorf("%d files were looked at: %v", rooms, err)
	}
}

// What hardware.md says of a second disk for the system is what a profile can say.
func TestTheHardwareHasEveryMirror(t *testing.T) {
	text := document(t, "hardware.md")
	for _, l := range profiles.Layouts() {
		if l.Mirror() && !strings.Contains(text, l.Name+"`") {
			t.Errorf("hardware.md does not say that the system can lie on %s", l.Name)
		}
	}
}
