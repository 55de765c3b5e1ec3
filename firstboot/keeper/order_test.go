package keeper

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
)

// A keeper lays an order down that counts, once, and no other. It has no key
// with which it could make one for another node.
func TestAKeeperLaysAnOrderDown(t *testing.T) {
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	names, ids := []string{"frege", "russell", "wittgenstein"}, map[string]*trust.Identity{}
	for _, n := range names {
		cert, key, err := pki.Issue(n)
		if err != nil {
			t.Fatal(err)
		}
		stick, err := trust.ParseIdentity(pki.CA, cert, key)
		if err != nil {
			t.Fatal(err)
		}
		own, err := stick.Enrol()
		if err != nil {
			t.Fatal(err)
		}
		if ids[n], err = own.Identity(); err != nil {
			t.Fatal(err)
		}
	}
	book, err := bindings.Open(bindings.Options{Files: &bindings.Memory{}, CA: ids["russell"].CA, Nodes: names, Self: "russell"})
	if err != nil {
		t.Fatal(err)
	}
	words := map[string][]byte{}
	for _, n := range names {
		if err := book.Judge(ids[n].Enrolment(), ids[n].Key.Public().(ed25519.PublicKey), n); err != nil {
			t.Fatal(err)
		}
	}
	set := book.Sees()
	for _, n := range names {
		words[n] = set.Sign(ids[n].Key)
	}
	if err := book.Agree(set, words); err != nil {
		t.Fatal(err)
	}
	k := &Keeper{files: host.New(t.TempDir()).Files, log: func(string) {}, resident: &Resident{o: Options{Book: book}}, charge: Charge{Seed: profiles.Seed{Node: "russell"}}}
	hand := func(peer string, o trust.Order) error {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.order(t.Context(), peer, text)
		return err
	}
	now := time.Now()
	good := trust.Order{Task: trust.TaskAccept, By: "frege", To: "russell", At: now, Until: now.Add(time.Hour)}
	deputy, err := ids["frege"].Appoint()
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := deputy.Identity()
	if err != nil {
		t.Fatal(err)
	}
	for says, o := range map[string]trust.Order{
		"hands over an order that is not its own":               func() trust.Order { o := good; o.By = "wittgenstein"; return o.Signed(ids["wittgenstein"].Key) }(),
		"not signed with the key to which frege is bound":       good.Signed(keeper.Key),
		"is for \"wittgenstein\" and not for russell":           func() trust.Order { o := good; o.To = "wittgenstein"; return o.Signed(ids["frege"].Key) }(),
		"an order for \"apply\" is not known here: install one": func() trust.Order { o := good; o.Task = "apply"; return o.Signed(ids["frege"].Key) }(),
	} {
		if err := hand("frege", o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, not: %s", err, says)
		}
	}
	if host.Exists(k.files, OrderFile) {
		t.Fatal("an order that does not count was laid down")
	}
	for range 2 {
		if err := hand("frege", good.Signed(ids["frege"].Key)); err != nil {
			t.Fatal(err)
		}
		if len(k.events.all()) != 1 {
			t.Errorf("laid down %d times", len(k.events.all()))
		}
	}
	// Over the channel, as it comes.
	appointed, err := ids["russell"].Appoint()
	if err != nil {
		t.Fatal(err)
	}
	own, err := appointed.Identity()
	if err != nil {
		t.Fatal(err)
	}
	own.Judge = book
	methods := &trust.Methods{}
	methods.Live(func() trust.Life { return trust.Settled })
	methods.Handle(trust.MethodOrder, k.order)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- trust.NewServer(trust.ServerOptions{Identity: own, Nodes: names, Methods: methods}).Serve(ctx, listener)
	}()
	defer func() { stop(); <-served }()
	ask := func(from string, o trust.Order) (a trust.Ordered, err error) {
		c := trust.NewClient(trust.ClientOptions{Identity: ids[from], Addresses: func(string) []string { return []string{listener.Addr().String()} }})
		defer c.Close()
		return a, c.Call(t.Context(), "russell", trust.MethodOrder, o, &a)
	}
	good.At = now.Add(time.Second)
	if _, err := ask("wittgenstein", good.Signed(ids["frege"].Key)); err == nil || !strings.Contains(err.Error(), "not its own") {
		t.Errorf("wittgenstein hands over an order of frege: %v", err)
	}
	if a, err := ask("frege", good.Signed(ids["frege"].Key)); err != nil || a.Runs || len(k.events.all()) != 2 {
		t.Errorf("frege: %+v %v", a, err)
	}
	if _, err := book.Revoke("frege", ids["russell"].Key); err != nil {
		t.Fatal(err)
	}
	good.At = now.Add(2 * time.Second)
	if _, err := ask("frege", good.Signed(ids["frege"].Key)); err == nil || len(k.events.all()) != 2 {
		t.Errorf("frege, revoked: %v", err)
	}
	if err := hand("frege", good.Signed(ids["frege"].Key)); err == nil || !strings.Contains(err.Error(), "not signed with the key to which frege is bound") {
		t.Errorf("an order of a key that was revoked: %v", err)
	}
	if book, err = bindings.Open(bindings.Options{Files: &bindings.Memory{}, CA: ids["russell"].CA, Nodes: names, Self: "russell"}); err != nil { // as before
		t.Fatal(err)
	}
	if err := book.Agree(set, words); err != nil {
		t.Fatal(err)
	}
	text, err := k.files.ReadFile(OrderFile)
	var laid trust.Order
	if err != nil || json.Unmarshal(text, &laid) != nil || laid.Verify(book.Bound, "russell", now) != nil {
		t.Errorf("what lies there does not count: %s %v", text, err)
	}
}
