package draw

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ringboot/rehearsal/browser"
	"ringboot/rehearsal/need"
)

// widths are those of a phone, a tablet and a laptop, in CSS pixels.
var widths = []int{360, 768, 1280}

// A page that nobody has to push sideways, on a phone too.
func TestThePageFitsAPhone(t *testing.T) {
	need.Slow(t)
	need.Tools(t, browser.Program)
	for _, name := range []string{"building", "not-accepted", "cable", "not-seen", "hostile", "empty"} {
		page, err := os.ReadFile(filepath.Join("testdata", name+".html"))
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
				t.Errorf("%s at %d: %+v", name, widths[i], l)
			}
		}
	}
}

// What is written in a colour can be read on what lies behind it, light and
// dark, and the report on paper as well.
func TestColoursCanBeRead(t *testing.T) {
	least := math.Inf(1)
	for file, pairs := range map[string][]browser.Pair{
		"page.html.tmpl": browser.On("fg soft good bad wait", "bg card"),
		"../../report/report.html.tmpl": slices.Concat(browser.On("ink soft accent", "paper panel"), browser.On("ink good", "goodbg"),
			browser.On("ink slow", "slowbg"), browser.On("ink bad", "badbg"), browser.On("untried", "untriedbg"), browser.On("paper", "accent")),
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all, err := browser.Contrasts(text, pairs)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for what, ratio := range all {
			least = min(least, ratio)
			if ratio < browser.Readable {
				t.Errorf("%s: %s has %.2f, and %.1f can be read", file, what, ratio, browser.Readable)
			}
		}
	}
	need.Figure("page.contrast_min", least, "ratio")
}

// The page is asked for every five seconds, by every browser that is open.
func TestThePageIsSmall(t *testing.T) {
	pages, err := filepath.Glob("testdata/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	var most int64
	for _, name := range pages {
		is, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, is.Size())
	}
	const limit = 16 << 10 // bytes, as sent
	if most > limit {
		t.Errorf("a page has %d bytes, at most %d are allowed", most, limit)
	}
	need.Figure("page.kib", float64(most)/1024, "kib")
}
