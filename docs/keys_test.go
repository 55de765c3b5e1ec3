package docs_test

import (
	"fmt"
	"strings"
	"testing"

	"ringboot/profiles/change"
)

// TestKeysThatMayChangeAreListed holds the table of what may change on a
// settled node against the program; -update writes it.
func TestKeysThatMayChangeAreListed(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| key | on a settled node | because, or what comes of it |\n|---|---|---|\n")
	for _, r := range change.Rows() {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", strings.ReplaceAll(r.Keys, " ", "` `"), r.When, r.Why)
	}
	holds(t, "day-two.md", "keys", table.String())
}
