package acceptance

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
)

// A drill that lacks a column would be shown without a title, or be a nil call.
func TestEveryDrillIsAWholeRow(t *testing.T) {
	var keys []string
	acceptance := reflect.TypeFor[profiles.Acceptance]()
	for i := range acceptance.NumField() {
		keys = append(keys, acceptance.Field(i).Tag.Get("yaml"))
	}
	seen := map[string]bool{}
	for _, d := range drills() {
		if d.Name == "" || d.Title == "" || d.Run == nil {
			t.Errorf("the row of drill %q lacks its name, title or run", d.Name)
		}
		if seen[d.Name] {
			t.Errorf("two rows have the name %q", d.Name)
		}
		seen[d.Name] = true
		if key := strings.ReplaceAll(d.Name, "-", "_"); d.Consent != nil && !slices.Contains(keys, key) {
			t.Errorf("drill %s asks for consent, and a profile has no key acceptance.%s to give it", d.Name, key)
		}
		for _, n := range d.Needs {
			if n.met == nil || n.why == "" {
				t.Errorf("a need of drill %s does not say what it is", d.Name)
			}
		}
	}
}
