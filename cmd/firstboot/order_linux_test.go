package main

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// bind makes the own keys of all nodes, has them agree on their bindings, and
// returns the nodes' own keys.
func bind(t *testing.T, roots map[string]string) map[string]ed25519.PrivateKey {
	t.Helper()
	books, ids, names, words := map[string]*bindings.Book{}, map[string]*trust.Identity{}, []string{}, map[string][]byte{}
	for n := range roots {
		names = append(names, n)
	}
	for n, root := range roots {
		if _, err := firstboot.Build(firstboot.Options{Version: "test", Root: root, Works: true}); err != nil {
			t.Fatal(err)
		}
		f := host.New(root).Files
		var own trust.Own
		text, err := f.ReadFile(profiles.OwnFile)
		if err != nil || json.Unmarshal(text, &own) != nil {
			t.Fatal(err)
		}
		if ids[n], err = own.Identity(); err != nil {
			t.Fatal(err)
		}
		if books[n], err = bindings.Open(bindings.Options{Files: f, CA: ids[n].CA, Nodes: names, Self: n}); err != nil {
			t.Fatal(err)
		}
		if err := books[n].Show(ids[n].Enrolment()); err != nil {
			t.Fatal(err)
		}
	}
	keys := map[string]ed25519.PrivateKey{}
	for n, id := range ids {
		keys[n] = id.Key
		for _, b := range books {
			if err := b.Judge(id.Enrolment(), id.Key.Public().(ed25519.PublicKey), n); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := books["frege"].Sees()
	for n, key := range keys {
		words[n] = set.Sign(key)
	}
	for _, b := range books {
		if err := b.Agree(set, words); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// ordering is a settled node whose root looks at what its keeper laid down.
type ordering struct {
	t     *testing.T
	root  string
	files host.Files
	began string // what systemctl was asked
}

func newOrdering(t *testing.T) (ordering, map[string]ed25519.PrivateKey) {
	roots, pki := map[string]string{}, keys(t)
	for _, n := range []string{"frege", "russell", "wittgenstein"} {
		roots[n] = room(t, pki, n)
	}
	all := bind(t, roots)
	o := ordering{t, roots["russell"], host.New(roots["russell"]).Files, filepath.Join(roots["russell"], "systemctl")}
	settleNode(t, o.root)
	if err := o.files.WriteFile("/usr/bin/systemctl", []byte("#!/bin/sh\necho \"$@\" >>"+o.began+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return o, all
}

// obey lays down what the keeper would, has root look at it, and tells whether
// the builder was called back, and what was said.
func (o ordering) obey(text string) (called bool, says string) {
	o.t.Helper()
	if err := o.files.WriteFile(keeper.OrderFile, []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	_, _, says = call(o.t, "--root", o.root, "obey")
	did, _ := os.ReadFile(o.began) // none: nothing was asked
	_ = os.Remove(o.began)         // there may be none
	if err := settled.Withdraw(o.files); err != nil {
		o.t.Error(err)
	}
	return string(did) == "stop ringboot-keeper.service\nstart ringboot.service\n", says
}

func signed(t *testing.T, o trust.Order, key ed25519.PrivateKey) string {
	t.Helper()
	text, err := json.Marshal(o.Signed(key))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Root on a bound node calls the builder of a settled one back; nothing that
// its keeper lays down does without.
func TestAnOrderOfABoundNodeCallsTheBuilderBack(t *testing.T) {
	o, key := newOrdering(t)
	now := time.Now()
	good := trust.Order{Task: trust.TaskAccept, By: "frege", To: "russell", At: now, Until: now.Add(trust.LongestOrder)}
	later := func(d time.Duration) trust.Order { g := good; g.At = now.Add(d); return g }
	for _, c := range []struct{ what, text, says string }{
		{"no order", "{}", "is not known here"},
		{"no JSON", "run everything", "is no order"},
		{"much", strings.Repeat(" ", 20<<10) + "{}", "is no order"},
		{"a key that is not frege's", signed(t, good, key["wittgenstein"]), "not signed with the key to which frege is bound"},
	} {
		if called, says := o.obey(c.text); called || !strings.Contains(says, c.says) {
			t.Errorf("%s: called %v: %s", c.what, called, says)
		}
	}
	if err := os.Remove(filepath.Join(o.root, keeper.OrderFile)); err != nil {
		t.Fatal(err)
	}
	if err := o.files.Symlink(profiles.OwnFile, keeper.OrderFile); err != nil {
		t.Fatal(err)
	}
	if code, _, says := call(t, "--root", o.root, "obey"); code == 0 || !strings.Contains(says, "is no order") {
		t.Errorf("a link to a secret: %s", says)
	}
	if called, says := o.obey(signed(t, good, key["frege"])); !called || !strings.Contains(says, "the builder is called back: accept, as root on frege asks") {
		t.Fatalf("called %v: %s", called, says)
	}
	if called, says := o.obey(signed(t, good, key["frege"])); called || !strings.Contains(says, "obeyed before") {
		t.Errorf("once more: called %v: %s", called, says)
	}
	if called, _ := o.obey(signed(t, later(-time.Minute), key["frege"])); called {
		t.Error("an older one was obeyed")
	}
	times := 1
	for i := range 20 {
		if called, says := o.obey(signed(t, later(time.Duration(i+1)*time.Second), key["frege"])); called {
			times++
		} else if !strings.Contains(says, "8 times within a day") {
			t.Errorf("order %d: %s", i, says)
		}
	}
	if times != 8 {
		t.Errorf("obeyed %d times", times)
	}
}

// A builder that was called back knows for how long, and a node that is being
// formed takes no order.
func TestAnOrderEnds(t *testing.T) {
	o, key := newOrdering(t)
	now := time.Now()
	text := signed(t, trust.Order{Task: trust.TaskAdmit, By: "wittgenstein", To: "russell", At: now, Until: now.Add(time.Hour)}, key["wittgenstein"])
	if err := o.files.WriteFile(keeper.OrderFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, says := call(t, "--root", o.root, "obey"); code != 0 {
		t.Fatal(says)
	}
	r, err := settled.ReadRequest(o.files)
	if err != nil || r == nil || r.Task != "admit, as root on wittgenstein asks" || r.Until.Sub(now) < 59*time.Minute || r.Until.Sub(now) > time.Hour+time.Minute {
		t.Errorf("%+v %v", r, err)
	}
	for _, file := range []string{settled.File, "/systemctl"} {
		if err := o.files.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := settled.Withdraw(o.files); err != nil {
		t.Fatal(err)
	}
	if called, says := o.obey(text); called {
		t.Errorf("a node that is being formed: %s", says)
	}
}
