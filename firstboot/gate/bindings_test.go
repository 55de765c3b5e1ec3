package gate

import (
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
