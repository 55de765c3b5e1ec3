package report

import (
	"context"
	"testing"
	"time"

	"ringboot/rehearsal/browser"
	"ringboot/rehearsal/need"
)

// A report that nobody has to push sideways: on a phone, a tablet, a laptop and
// a sheet of A4 (178 mm between its margins, 96 CSS pixels an inch).
func TestTheReportFitsAPhone(t *testing.T) {
	need.Slow(t)
	need.Tools(t, browser.Program)
	widths := []int{360, 673, 768, 1280}
	for name, r := range map[string]*Report{"good": good(), "bad": bad()} {
		page, err := r.HTML()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		looks, err := browser.Look(ctx, t.TempDir(), page, widths...)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range looks {
			if l.Page > widths[i] || len(l.Cut) > 0 || len(l.Small) > 0 {
				t.Errorf("%s at %d: page %d\ncut %q\nsmall %q", name, widths[i], l.Page, l.Cut, l.Small)
			}
		}
	}
}
