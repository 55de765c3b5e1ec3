package docs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// holds makes sure that a document has a table as the program has it, between
// the mark of that name and the next heading; -update writes it.
func holds(t *testing.T, document, name, table string) {
	t.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf("<!-- %s -->\n", name)
	before, rest, ok := strings.Cut(string(content), mark)
	end := strings.Index(rest, "\n## ")
	if !ok || end < 0 {
		t.Fatalf("%s has no place for the table of %s", document, name)
	}
	want := before + mark + table + rest[end:]
	switch {
	case want == string(content):
	case *update:
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of %s in %s is not the program's: go test ./docs -update", name, document)
	}
}
