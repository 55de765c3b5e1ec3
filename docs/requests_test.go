package docs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/trust"
)

// TestRequestsAreListed holds the table of what may be asked against the
// program; -update writes it.
func TestRequestsAreListed(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| request | by | while | at most | KiB in, out | what it does |\n|---|---|---|---|---|---|\n")
	for _, r := range trust.Requests() {
		in := words(r.In)
		if len(r.In) == len(trust.Lives()) {
			in = "always"
		}
		per := map[time.Duration]string{time.Minute: "minute", time.Hour: "hour"}[r.Rate.Per]
		if per == "" {
			t.Errorf("%s has a rate by %s: a minute or an hour is what people read", r.Method, r.Rate.Per)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %d a %s | %d, %d | %s |\n", r.Method, words(r.By), in, r.Rate.Times, per, r.Asks>>10, r.Answers>>10, r.Does)
	}
	holds(t, "how-it-works.md", "requests", table.String())
}

// words lists the words of a column.
func words[T ~string](list []T) string {
	var out []string
	for _, w := range list {
		out = append(out, string(w))
	}
	return strings.Join(out, ", ")
}
