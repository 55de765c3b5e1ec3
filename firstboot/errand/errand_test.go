package errand

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/rehearsal/nodetest"
)

type order struct {
	Version int    `json:"version"`
	What    string `json:"what"`
}

// An order is read as it was written, a damaged one and one of a newer form are
// refused with what to do.
func TestOrdersAreKept(t *testing.T) {
	f := host.New(t.TempDir()).Files
	k := Kind{File: "/var/lib/ringboot/x.json", Version: 1}
	if o, err := Read[order](f, k); o != nil || err != nil {
		t.Fatalf("%v %v", o, err)
	}
	if err := k.Write(f, order{1, "this"}); err != nil {
		t.Fatal(err)
	}
	if o, err := Read[order](f, k); err != nil || o.What != "this" {
		t.Errorf("%v %v", o, err)
	}
	for text, want := range map[string]string{"{": "/var/lib/ringboot/x.json is damaged (", `{"version":2}`: "/var/lib/ringboot/x.json"} {
		if o, err := Parse[order]([]byte(text), k); o != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v %v", text, o, err)
		}
	}
}

// A wait is told once, and is over after its limit; with another reason the time
// begins anew only where that means that something moves.
func TestPatience(t *testing.T) {
	for _, moving := range []bool{false, true} {
		m, err := nodetest.New(nodetest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		p := Patience{Clock: m.Host().Clock, Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }, Moving: moving}
		p.Over("a", time.Minute)
		m.Clock.Advance(50 * time.Second)
		if p.Over("a", time.Minute) || p.Over("b", time.Minute) || len(said) != 2 || said[1] != "waits: b" {
			t.Errorf("moving %v: %v", moving, said)
		}
		m.Clock.Advance(20 * time.Second)
		if got := p.Over("b", time.Minute); got == moving {
			t.Errorf("moving %v: over is %v after 70 s with two reasons", moving, got)
		}
		p.Works()
		if p.Over("b", time.Minute) {
			t.Errorf("moving %v: what it did in between does not count", moving)
		}
	}
}

// What another node's order says is read over ssh, so it may be anything.
func FuzzParse(f *testing.F) {
	f.Add(`{"version":1,"what":"this"}`)
	f.Add(`{"version":2}`)
	f.Add("{")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse[order]([]byte(text), Kind{File: "x.json", Version: 1})
		if (o == nil) == (err == nil) || o != nil && o.Version > 1 {
			t.Errorf("%v %v", o, err)
		}
	})
}
