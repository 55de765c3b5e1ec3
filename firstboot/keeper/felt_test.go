package keeper

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"ringboot/firstboot/host"
)

// What was felt last counts, whatever root saw before; where nobody feels, what
// root saw stays.
func TestAHangIsToldAsItIsNow(t *testing.T) {
	at := time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)
	seen := Told{At: at, Hung: "root saw it", Risks: []string{"a risk"}}
	for name, c := range map[string]struct {
		felt Felt
		told Told
		want []string
	}{
		"nobody feels":                  {Felt{}, seen, []string{"root saw it", "a risk"}},
		"it hangs":                      {Felt{At: at, Hung: "it hangs"}, Told{At: at.Add(time.Hour), Risks: []string{"a risk"}}, []string{"it hangs", "a risk"}},
		"it answers since root looked":  {Felt{At: at.Add(time.Second)}, seen, []string{"a risk"}},
		"root saw it after it answered": {Felt{At: at.Add(-time.Hour)}, seen, []string{"root saw it", "a risk"}},
		"all is well":                   {Felt{At: at}, Told{At: at.Add(time.Hour)}, nil},
	} {
		if got := (&Keeper{felt: c.felt}).warnings(c.told); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What cannot be read says nothing new, and each change is noted once.
func TestWhatIsFeltIsNotedOnce(t *testing.T) {
	var said []string
	ended, end := context.WithCancel(t.Context())
	end() // one look
	k := &Keeper{files: host.New(t.TempDir()).Files, log: func(text string) { said = append(said, text) }}
	look := func(v any) {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.files.WriteFile(FeltFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := k.feel(ended); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []any{Felt{At: time.Now()}, Felt{At: time.Now(), Hung: "/etc/pve hangs"}, Felt{At: time.Now(), Hung: "/etc/pve hangs"}, "torn", map[string]string{"hung": "no time"}, Felt{At: time.Now()}} {
		look(v)
	}
	if want := []string{"/etc/pve hangs", "/etc/pve answers again"}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}
