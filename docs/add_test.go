package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHowToAdd adds one of each kind to a copy of the house, by half, and sees
// the test fail that how-it-works names for it.
func TestHowToAdd(t *testing.T) {
	if testing.Short() {
		t.Skip("copies and builds the house: run without -short")
	}
	house := copyOfTheHouse(t)
	named, err := os.ReadFile("how-it-works.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, file, at, add, room, fails string }{
		{"a step", "profiles/steps.go", "\t\t{StepProof, ", "\t\t{\"backup\", time.Minute, \"keeps a copy\"},\n\t\t{StepProof, ", "firstboot", "TestThePlanIsTheOneThatProfilesNames"},
		{"a key of the profile", "profiles/profile.go", "type Ring struct {\n", "type Ring struct {\n\tColour string `yaml:\"colour\" json:\"colour\"`\n", "profiles/change", "TestEveryKeyOfTheProfileHasARow"},
		{"a transport", "profiles/transport.go", "return []Transport{\n", "return []Transport{\n\t\t{Name: \"usb5\"},\n", "profiles", "TestEveryTransportSaysEverything"},
		{"a release", "profiles/release.go", "return []Release{\n", "return []Release{\n\t\t{},\n", "profiles", "TestEveryReleaseHasEveryColumn"},
		{"a file system", "profiles/filesystem.go", "return []FileSystem{\n", "return []FileSystem{\n\t\t{Name: \"bcachefs\"},\n", "profiles", "TestEveryFileSystemIsAWholeRow"},
		{"a drill", "firstboot/acceptance/drills.go", "return []drill{\n", "return []drill{\n\t\t{Name: \"restart\"},\n", "firstboot/acceptance", "TestEveryDrillIsAWholeRow"},
		{"a field of the report", "firstboot/report/report.go", "type Report struct {\n", "type Report struct {\n\tWeather string `json:\"weather\"`\n", "firstboot/report", "TestEveryFieldOfTheReportIsShown"},
		{"a request", "firstboot/trust/requests.go", "return []Request{\n", "return []Request{\n\t\t{\"weather\", readers, always, often, word, word, \"says what the weather is\"},\n", "firstboot", "TestEveryRequestHasItsHandler"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if !strings.Contains(string(named), "`"+c.fails+"`") {
				t.Errorf("how-it-works.md does not name %s", c.fails)
			}
			file := filepath.Join(house, c.file)
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.WriteFile(file, old, 0o600); err != nil {
					t.Fatal(err)
				}
			}()
			if strings.Count(string(old), c.at) != 1 {
				t.Fatalf("%s has %q %d times", c.file, c.at, strings.Count(string(old), c.at))
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(old), c.at, c.add, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "go", "test", "-run", "^"+c.fails+"$", "./"+c.room)
			cmd.Dir = house
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "--- FAIL: "+c.fails) {
				t.Errorf("half of %s was added and %s did not fail:\n%s", c.what, c.fails, out)
			}
		})
	}
}

// copyOfTheHouse copies the files of the rooms that the test adds to.
func copyOfTheHouse(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "profiles", "firstboot", "discovery", "imagebuilder", "rehearsal", "README.md"} {
		if out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, name), to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return to
}
