package mutation_test

import (
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// TestHowToAdd adds one of each kind to the house, by half, and sees the test
// fail that how-it-works names for it.
func TestHowToAdd(t *testing.T) {
	need.Slow(t)
	named := read(t, "docs/how-it-works.md")
	for _, c := range []struct{ what, file, at, add, room, fails string }{
		{"a step", "profiles/steps.go", "\t\t{StepProof, ", "\t\t{\"backup\", time.Minute, \"keeps a copy\"},\n\t\t{StepProof, ", "firstboot", "TestThePlanIsTheOneThatProfilesNames"},
		{"a key of the profile", "profiles/profile.go", "type Ring struct {\n", "type Ring struct {\n\tColour string `yaml:\"colour\" json:\"colour\"`\n", "profiles/change", "TestEveryKeyOfTheProfileHasARow"},
		{"a transport", "profiles/transport.go", "return []Transport{\n", "return []Transport{\n\t\t{Name: \"usb5\"},\n", "profiles", "TestEveryTransportSaysEverything"},
		{"a release", "profiles/release.go", "return []Release{\n", "return []Release{\n\t\t{},\n", "profiles", "TestEveryReleaseHasEveryColumn"},
		{"a file system", "profiles/filesystem.go", "return []FileSystem{\n", "return []FileSystem{\n\t\t{Name: \"bcachefs\"},\n", "profiles", "TestEveryFileSystemIsAWholeRow"},
		{"a drill", "firstboot/acceptance/drills.go", "return []drill{\n", "return []drill{\n\t\t{Name: \"restart\"},\n", "firstboot/acceptance", "TestEveryDrillIsAWholeRow"},
		{"a drill of a rehearsal", "rehearsal/drill.go", "return []Drill{\n", "return []Drill{\n\t\t{Name: \"rain\"},\n", "rehearsal", "TestEveryDrillOfARehearsalIsAWholeRow"},
		{"a field of the report", "firstboot/report/report.go", "type Report struct {\n", "type Report struct {\n\tWeather string `json:\"weather\"`\n", "firstboot/report", "TestEveryFieldOfTheReportIsShown"},
		{"a request", "firstboot/trust/requests.go", "return []Request{\n", "return []Request{\n\t\t{\"weather\", readers, always, often, word, word, \"says what the weather is\"},\n", "firstboot", "TestEveryRequestHasItsHandler"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if !strings.Contains(named, "`"+c.fails+"`") {
				t.Errorf("how-it-works.md does not name %s", c.fails)
			}
			text := read(t, c.file)
			if strings.Count(text, c.at) != 1 {
				t.Fatalf("%s has %q %d times", c.file, c.at, strings.Count(text, c.at))
			}
			how := tests{pkg: c.room, run: c.fails, long: true}
			if outcome, said := attempt(t, c.file, strings.Replace(text, c.at, c.add, 1), how); outcome != found || !strings.Contains(said, "--- FAIL: "+c.fails) {
				t.Errorf("half of %s was added and %s did not fail:\n%s", c.what, c.fails, said)
			}
		})
	}
}
