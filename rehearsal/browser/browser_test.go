package browser

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

func TestContrastIsThatOfTheStandard(t *testing.T) {
	page := []byte(`<style>:root{--fg:#000;--bg:#ffffff;--line:#eee}@media (prefers-color-scheme:dark){:root{--fg:#777777}}</style>`)
	got, err := Contrasts(page, On("fg", "bg"))
	if err != nil || math.Abs(got["fg on bg, palette 0"]-21) > 1e-9 || math.Abs(got["fg on bg, palette 1"]-4.478) > 0.001 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := Contrasts(page, On("fg", "paper")); err == nil {
		t.Error("a colour that there is not was measured")
	}
	if _, err := Contrasts([]byte(`<style>:root{--fg:#000;--bg:#fff;--new:#111}</style>`), On("fg", "bg")); err == nil || !strings.Contains(err.Error(), "no pair has the colour new") {
		t.Errorf("a colour went unmeasured: %v", err)
	}
}

func TestABrowserSeesWhatDoesNotFit(t *testing.T) {
	need.Slow(t)
	need.Tools(t, Program)
	page := `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{margin:0}p{width:500px}div{overflow-x:auto}pre{width:450px}</style>
<p>wide</p><div><pre>a table</pre></div><svg viewBox="0 0 100 20" width="400"><text x="95" y="15" font-size="8">outside</text><text x="5" y="15" font-size="2">tiny</text></svg>`
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := Look(ctx, t.TempDir(), []byte(page), 360, 768)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	for i, want := range []Layout{
		{Page: 500, Cut: []string{"DIV a table", "text outside"}, Small: []string{"text tiny (8.0)"}},
		{Page: 768, Cut: []string{"text outside"}, Small: []string{"text tiny (8.0)"}},
	} {
		if got := got[i]; got.Page != want.Page || strings.Join(got.Cut, "|") != strings.Join(want.Cut, "|") || strings.Join(got.Small, "|") != strings.Join(want.Small, "|") {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
