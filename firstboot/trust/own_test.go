package trust

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/trust/bindings"
	"ringboot/firstboot/trust/testpki"
)

// enrolled is a node with a key of its own and the book that it goes by.
func enrolled(t testing.TB, p *testpki.PKI, name string) (*Identity, *bindings.Book, Own) {
	t.Helper()
	own, err := identity(t, p, name).Enrol()
	if err != nil {
		t.Fatal(err)
	}
	id, err := own.Identity()
	if err != nil {
		t.Fatal(err)
	}
	book, err := bindings.Open(bindings.Options{Files: &bindings.Memory{}, CA: id.CA, Nodes: three, Self: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := book.Show(id.Enrolment()); err != nil {
		t.Fatal(err)
	}
	id.Judge = book
	return id, book, own
}

// bound is three nodes whose bindings are agreed on.
func bound(t testing.TB, p *testpki.PKI) (map[string]*Identity, map[string]*bindings.Book, map[string]Own) {
	t.Helper()
	ids, books, owns := map[string]*Identity{}, map[string]*bindings.Book{}, map[string]Own{}
	for _, n := range three {
		ids[n], books[n], owns[n] = enrolled(t, p, n)
	}
	for _, n := range three {
		for _, o := range three {
			if err := books[n].Judge(ids[o].Enrolment(), ids[o].Key.Public().(ed25519.PublicKey), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	set, words := books["frege"].Sees(), map[string][]byte{}
	for n, id := range ids {
		words[n] = set.Sign(id.Key)
	}
	for _, n := range three {
		if err := books[n].Agree(set, words); err != nil {
			t.Fatal(err)
		}
	}
	return ids, books, owns
}

// said is what a call from one identity to another ends with.
func said(t testing.TB, from, to *Identity, node string) string {
	t.Helper()
	addr := serve(t, NewServer(ServerOptions{Identity: to, Nodes: three}))
	if err := client(t, from, addr).Call(t.Context(), node, MethodHello, nil, nil); err != nil {
		return err.Error()
	}
	return ""
}

// After the gate only bound keys are heard and believed: not a copied stick,
// not a second enrolment of it, not a stick's own key, not another cluster's.
func TestOnlyBoundKeysCount(t *testing.T) {
	p := newPKI(t)
	ids, books, owns := bound(t, p)
	if got := said(t, ids["frege"], ids["russell"], "russell"); got != "" {
		t.Fatal(got)
	}
	copied, _, _ := enrolled(t, p, "russell")
	strangers, _, _ := enrolled(t, newPKI(t), "russell")
	for name, bad := range map[string]*Identity{
		"a copied stick":           copied,
		"a stick's own key":        identity(t, p, "russell"),
		"another cluster's":        strangers,
		"a keeper of a thief":      deputyOf(t, copied),
		"another node of the same": func() *Identity { id := *ids["wittgenstein"]; id.Name = "russell"; return &id }(),
	} {
		if got := said(t, ids["frege"], bad, "russell"); got == "" {
			t.Errorf("%s answers as russell", name)
		}
		if name == "another node of the same" {
			continue
		}
		if got := said(t, bad, ids["frege"], "frege"); got == "" {
			t.Errorf("%s is heard as russell", name)
		}
	}
	keeper := deputyOf(t, ids["russell"])
	keeper.Judge = books["russell"]
	if got := said(t, keeper, ids["frege"], "frege"); got != "" {
		t.Errorf("the keeper of russell: %s", got)
	}

	next, public, err := owns["russell"].Renewed()
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := next.Identity()
	if err != nil {
		t.Fatal(err)
	}
	renewed.Judge = books["russell"]
	// Who has not heard of the renewal goes by the word of the key that is bound.
	if got := said(t, renewed, ids["frege"], "frege") + said(t, ids["frege"], renewed, "russell"); got != "" {
		t.Error(got)
	}
	stolen, _, err := owns["wittgenstein"].Renewed()
	if err != nil {
		t.Fatal(err)
	}
	if thief, err := stolen.Identity(); err != nil || said(t, ids["frege"], thief, "russell") == "" {
		t.Errorf("a renewed key of wittgenstein answers as russell, %v", err)
	}
	again, _, err := next.Renewed()
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := again.Identity(); err != nil || said(t, twice, ids["frege"], "frege") == "" {
		t.Errorf("the word of a key that is not bound counts, %v", err)
	}
	if err := books["russell"].Renew(public, ids["russell"].Key); err != nil {
		t.Fatal(err)
	}
	d, _ := books["russell"].Document()
	if _, err := books["frege"].Adopt(d); err != nil {
		t.Fatal(err)
	}
	if got := said(t, renewed, ids["frege"], "frege"); got != "" {
		t.Errorf("the renewed key: %s", got)
	}
	if got := said(t, ids["russell"], ids["frege"], "frege"); got == "" {
		t.Error("the old key of russell is still heard")
	}
}

// A clock that was never set, or is decades off, keeps no node out.
func TestTheClockKeepsNoNodeOut(t *testing.T) {
	p := newPKI(t)
	ids, _, _ := bound(t, p)
	for _, year := range []int{1970, 2000, 2060, 2150} {
		at := func() time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
		addr := serve(t, NewServer(ServerOptions{Identity: ids["russell"], Nodes: three, Now: at}))
		c := NewClient(ClientOptions{Identity: ids["frege"], Addresses: func(string) []string { return []string{addr} }, Now: at})
		if err := c.Call(t.Context(), "russell", MethodHello, nil, nil); err != nil {
			t.Errorf("in the year %d: %v", year, err)
		}
		c.Close()
	}
}

// What a node keeps of its own key holds nothing of its stick's.
func TestTheVouchersKeyIsNotKept(t *testing.T) {
	p := newPKI(t)
	cert, key, err := p.Issue("frege")
	if err != nil {
		t.Fatal(err)
	}
	id, err := ParseIdentity(p.CA, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	own, err := id.Enrol()
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(own.Key)) == strings.TrimSpace(string(key)) || strings.Contains(string(own.Chain), "PRIVATE") {
		t.Error("the voucher's key is kept")
	}
	back, err := own.Identity()
	if err != nil || back.Key.Equal(id.Key) || back.Name != "frege" || back.ClusterID != id.ClusterID {
		t.Errorf("%+v %v", back, err)
	}
}

func FuzzIdentity(f *testing.F) {
	p := newPKI(f)
	cert, key, err := p.Issue("frege")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.CA, cert, key)
	f.Add(cert, cert, key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, ca, cert, key []byte) {
		_, _ = ParseCertificate(ca)
		if id, err := ParseIdentity(ca, cert, key); err == nil && (id.Key == nil || id.ClusterID == "") {
			t.Errorf("taken without a key or a cluster: %+v", id)
		}
		_, _ = Own{Key: key, Chain: cert, CA: ca}.Identity()
		_, _ = Deputy{Key: key, Chain: cert, CA: ca}.Identity()
	})
}
