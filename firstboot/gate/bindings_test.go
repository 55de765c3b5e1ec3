package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/firstboot/trust/testpki"
)

// keyed is the gate's world with a key of its own for each node.
type keyed struct {
	*gateWorld
	pki   *testpki.PKI
	ids   map[string]*trust.Identity
	books map[string]*bindings.Book
	steps map[string]*Gate
	// What a node says otherwise than it is, by its name.
	words, sets, bound map[string]string
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	k := &keyed{gateWorld: newGateWorld(), pki: pki, ids: map[string]*trust.Identity{}, books: map[string]*bindings.Book{}, steps: map[string]*Gate{}}
	p := k.step.o.Profile
	var names []string
	for _, n := range p.Nodes {
		names = append(names, n.Name)
	}
	for _, name := range names {
		k.ids[name] = k.enrol(t, name)
		book, err := bindings.Open(bindings.Options{Files: &bindings.Memory{}, CA: k.ids[name].CA, Nodes: names, Self: name})
		if err != nil {
			t.Fatal(err)
		}
		k.books[name] = book
		node := k.net.Node(name)
		node.Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) { return k.say(name), nil })
		node.Handle(trust.MethodBindings, func(context.Context, string, json.RawMessage) (any, error) {
			d, ok := book.Document()
			if !ok {
				return nil, errors.New("not agreed")
			}
			return d, nil
		})
		o := k.step.o
		o.Node, o.Book, o.Caller = name, book, node
		o.Facts = func(context.Context) (status.Facts, error) { return k.say(name), nil }
		o.Ring = func() status.RingView { return *k.rings[name] }
		k.steps[name] = New(o)
	}
	return k
}

func (k *keyed) enrol(t *testing.T, name string) *trust.Identity {
	t.Helper()
	cert, key, err := k.pki.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	voucher, err := trust.ParseIdentity(k.pki.CA, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := voucher.Enrol()
	if err != nil {
		t.Fatal(err)
	}
	id, err := own.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// say is what a node says of itself.
func (k *keyed) say(name string) status.Facts {
	f := *k.facts[name]
	f.Who = k.ids[name].WhoOf(k.books[name])
	if word, ok := k.words[name]; ok {
		f.Who.Word = []byte(word)
	}
	f.Who.Set = cmp.Or(k.sets[name], f.Who.Set)
	f.Who.Bound = cmp.Or(k.bound[name], f.Who.Bound)
	return f
}

// sees lets one node see another's key proven.
func (k *keyed) sees(t *testing.T, by, whom string, id *trust.Identity) {
	t.Helper()
	if err := k.books[by].Show(id.Enrolment()); err != nil {
		t.Fatal(err)
	}
}

func (k *keyed) check(t *testing.T, name string) step.Verdict {
	t.Helper()
	v, err := k.steps[name].Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The gate opens when all nodes have written down the same keys, and not before.
func TestTheGateBindsKeysOnAllNodes(t *testing.T) {
	k := newKeyed(t)
	all := []string{"frege", "russell", "wittgenstein"}
	for _, by := range all {
		for _, whom := range all {
			if by != "frege" || whom != "wittgenstein" {
				k.sees(t, by, whom, k.ids[whom])
			}
		}
	}
	if v := k.check(t, "frege"); v.State != step.Waiting || !strings.Contains(v.Reason, "wittgenstein has not shown frege the key that it made itself yet") {
		t.Errorf("one key not seen: %v %s", v.State, v.Reason)
	}
	k.sees(t, "frege", "wittgenstein", k.enrol(t, "wittgenstein"))
	if v := k.check(t, "frege"); v.State != step.Waiting || !strings.Contains(v.Reason, "two different keys of wittgenstein") {
		t.Errorf("two machines: %v %s", v.State, v.Reason)
	}
	k.sees(t, "frege", "wittgenstein", k.ids["wittgenstein"])
	for i, name := range all {
		if v := k.check(t, name); v.State != step.Todo {
			t.Fatalf("%s: %v %s", name, v.State, v.Reason)
		}
		if err := k.steps[name].Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := k.check(t, name); (v.State == step.Done) != (i == len(all)-1) {
			t.Errorf("after %s wrote it down: %v %s", name, v.State, v.Reason)
		}
	}
	for _, name := range all {
		if v := k.check(t, name); v.State != step.Done {
			t.Errorf("%s: %v %s", name, v.State, v.Reason)
		}
	}
}

// Where nobody keeps keys, or all are written down, nothing is asked.
func TestNothingIsWrittenDownTwice(t *testing.T) {
	w := newGateWorld()
	w.step.o.Facts = func(context.Context) (status.Facts, error) { return status.Facts{}, errors.New("asked") }
	if err := w.step.Apply(t.Context()); err != nil {
		t.Errorf("without a book: %v", err)
	}
	k := agreed(t, "frege")
	k.steps["frege"].o.Facts = w.step.o.Facts
	if err := k.steps["frege"].Apply(t.Context()); err != nil {
		t.Errorf("with all keys written down: %v", err)
	}
	k.steps["russell"].o.Facts = w.step.o.Facts
	if err := k.steps["russell"].Apply(t.Context()); err == nil || err.Error() != "asked" {
		t.Errorf("without facts of its own: %v", err)
	}
}

// agreed is a world in which all have seen all keys, and some have written them down.
func agreed(t *testing.T, by ...string) *keyed {
	t.Helper()
	k := newKeyed(t)
	for node := range k.books {
		for whom := range k.books {
			k.sees(t, node, whom, k.ids[whom])
		}
	}
	for _, name := range by {
		if err := k.steps[name].Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

// Of keys, what keeps a node from writing them down is told, and nothing is written.
func TestWhatKeepsKeysFromBeingWrittenDown(t *testing.T) {
	for name, c := range map[string]struct {
		by    []string
		spoil func(k *keyed)
		check string // what looking says, if anything else
		apply string
	}{
		"a node is away":    {nil, func(k *keyed) { k.net.Remove("wittgenstein") }, "have 2/3, missing wittgenstein", "connection refused"},
		"a node was added":  {nil, func(k *keyed) { k.step.o.Profile.Nodes[2].Added = true }, "wittgenstein was added to a cluster whose nodes have their keys, and no node has any: take added out of the profile, and make the images of all nodes again", ""},
		"one sees another":  {nil, func(k *keyed) { k.sees(t, "russell", "wittgenstein", k.enrol(t, "wittgenstein")) }, "frege and russell see two different keys of wittgenstein (", "russell sees other keys than this node"},
		"no document":       {[]string{"russell"}, func(k *keyed) { k.net.Node("russell").Handle(trust.MethodBindings, refuse) }, "takes over from russell which key each node has", "no document"},
		"a wrong document":  {[]string{"russell"}, func(k *keyed) { k.net.Node("russell").Handle(trust.MethodBindings, empty) }, "takes over from russell which key each node has", "version"},
		"the word is wrong": {nil, func(k *keyed) { k.words = map[string]string{"russell": "nonsense"} }, "writes down which key each node has", "russell"},
		"another set":       {nil, func(k *keyed) { k.sets = map[string]string{"russell": "0123"} }, "frege and russell see the same keys with different certificates: they agree in a moment", "russell sees other keys than this node"},
	} {
		k := agreed(t, c.by...)
		c.spoil(k)
		if v := k.check(t, "frege"); !strings.HasPrefix(v.Reason, c.check) {
			t.Errorf("%s: %s %s", name, v.State, v.Reason)
		}
		if c.apply == "" {
			continue
		}
		err := k.steps["frege"].Apply(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.apply) || k.books["frege"].Agreed() {
			t.Errorf("%s: %v, written down: %v", name, err, k.books["frege"].Agreed())
		}
	}
	// Two that are bound to other keys wait for each other.
	k := agreed(t, "frege", "russell", "wittgenstein")
	k.bound = map[string]string{"wittgenstein": "0123"}
	if v := k.check(t, "frege"); v.State != step.Waiting || v.Reason != "frege and wittgenstein do not have the same keys of all nodes yet" {
		t.Errorf("%s %s", v.State, v.Reason)
	}
	k = agreed(t, "frege")
	if v := k.check(t, "frege"); v.State != step.Waiting || v.Reason != "russell has not written down the keys of all nodes yet" {
		t.Errorf("%s %s", v.State, v.Reason)
	}
}

func refuse(context.Context, string, json.RawMessage) (any, error) {
	return nil, errors.New("no document")
}

func empty(context.Context, string, json.RawMessage) (any, error) { return bindings.Document{}, nil }
