package trust

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/trust/bindings"
	"ringboot/firstboot/trust/testpki"
	"ringboot/rehearsal/need"
)

// issue makes a stick's certificate the one of a later issue.
func issue(number string) testpki.Wish {
	return func(c *x509.Certificate) { c.Subject.SerialNumber = number }
}

// besieged is a formed cluster of three, of which wittgenstein was revoked by
// frege and russell has renewed his key, and who attacks it.
type besieged struct {
	frege   *Identity
	book    *bindings.Book
	russell *Identity // bound, and turned against the others
	who     map[string]*Identity
}

func besiege(t *testing.T) besieged {
	p, elsewhere := newPKI(t), newPKI(t)
	ids, books, owns := bound(t, p)
	b := besieged{frege: ids["frege"], book: books["frege"], who: map[string]*Identity{}}
	enrol := func(id *Identity) *Identity {
		own, err := id.Enrol()
		if err != nil {
			t.Fatal(err)
		}
		out, err := own.Identity()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	renew := func(own Own) (*Identity, ed25519.PublicKey, Own) {
		next, public, err := own.Renewed()
		if err != nil {
			t.Fatal(err)
		}
		id, err := next.Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id, public, next
	}
	fresh, public, _ := renew(owns["russell"])
	if err := books["russell"].Renew(public, ids["russell"].Key); err != nil {
		t.Fatal(err)
	}
	d, _ := books["russell"].Document()
	if _, err := b.book.Adopt(d); err != nil {
		t.Fatal(err)
	}
	if _, err := b.book.Revoke("wittgenstein", b.frege.Key); err != nil {
		t.Fatal(err)
	}
	b.russell = fresh
	if _, _, err := b.book.Admit("wittgenstein", "AAAAAAAAAAAAAAAA"); err != nil {
		t.Fatal(err)
	}

	thief := identity(t, p, "russell")
	used := enrol(thief)
	lied := *thief // the stick of russell says that it is wittgenstein's
	lied.Name = "wittgenstein"
	operator := identity(t, p, "builder", testpki.Operator)
	enrolledByOperator := *operator
	enrolledByOperator.Name = "russell"
	revokedAgain, _, _ := renew(owns["wittgenstein"])
	oldAgain, _, _ := renew(owns["russell"])
	chained := *used
	chained.Cert.Certificate = [][]byte{used.Cert.Certificate[0], ids["frege"].node.Raw, used.Cert.Certificate[1]}
	borrowed := *used // shows the renewed certificate of russell without holding its key
	borrowed.Cert.Certificate = fresh.Cert.Certificate
	bare := *used
	bare.Cert.Certificate = used.Cert.Certificate[:1]
	twoFold := deputyOf(t, deputyOf(t, fresh))
	b.who = map[string]*Identity{
		"the stick of russell, used":                            thief,
		"a second machine from the stick of russell":            used,
		"the keeper of that machine":                            deputyOf(t, used),
		"the keeper of the stick itself":                        deputyOf(t, thief),
		"that machine without its voucher":                      &bare,
		"that machine with frege's certificate behind its own":  &chained,
		"that machine with the certificate of the bound one":    &borrowed,
		"the stick of russell with another name":                enrol(&lied),
		"the key that russell has renewed":                      ids["russell"],
		"the keeper that the old key of russell appointed":      deputyOf(t, ids["russell"]),
		"another key that the old key of russell vouches for":   oldAgain,
		"wittgenstein, revoked":                                 ids["wittgenstein"],
		"the keeper of wittgenstein, revoked":                   deputyOf(t, ids["wittgenstein"]),
		"a key that the revoked key of wittgenstein renews":     revokedAgain,
		"the stick of wittgenstein after he was revoked":        enrol(identity(t, p, "wittgenstein")),
		"a newer stick of russell that nobody admitted":         enrol(identity(t, p, "russell", issue("2"))),
		"a newer stick of wittgenstein with another key than":   enrol(identity(t, p, "wittgenstein", issue("2"))),
		"a stick of russell with a number that is none":         enrol(identity(t, p, "russell", issue("-7"))),
		"a stick of a node that the plan lacks":                 enrol(identity(t, p, "goedel")),
		"a stick of russell without the DNS name":               identity(t, p, "russell", nameOnly),
		"an own key that an operator's certificate vouches for": enrol(&enrolledByOperator),
		"a keeper that an operator's certificate appointed":     deputyOf(t, operator),
		"a keeper that a keeper appointed":                      twoFold,
		"the russell of another cluster":                        mixed(enrol(identity(t, elsewhere, "russell")), b.frege),
		"the stick of the russell of another cluster":           mixed(identity(t, elsewhere, "russell"), b.frege),
		"the keeper of the russell of another cluster":          mixed(deputyOf(t, enrol(identity(t, elsewhere, "russell"))), b.frege),
		"an operator of another cluster":                        mixed(identity(t, elsewhere, "builder", testpki.Operator), b.frege),
	}
	return b
}

// TestAttacks plays what a stolen stick, a stranger, a node that was revoked and
// a node that is bound can try at the channel, after what was found in an audit
// and with new ones. An attack is through when something was done or believed.
func TestAttacks(t *testing.T) {
	b := besiege(t)
	tried, through := 0, 0
	attack := func(name string, got bool) {
		tried++
		if got {
			through++
			t.Errorf("through: %s", name)
		}
	}
	var acted atomic.Int64
	server := NewServer(ServerOptions{Identity: b.frege, Nodes: three, Hello: func(*Hello) { acted.Add(1) }})
	life := atomic.Value{}
	life.Store(Forming)
	server.Live(func() Life { return life.Load().(Life) })
	for _, r := range Requests() {
		if r.Method != MethodHello {
			server.Handle(r.Method, func(context.Context, string, json.RawMessage) (any, error) { acted.Add(1); return "done", nil })
		}
	}
	for _, gone := range []string{"cluster.serve", "cluster.conf", "cluster.replace", "trust.admit"} {
		server.Handle(gone, func(context.Context, string, json.RawMessage) (any, error) { acted.Add(1); return "done", nil })
	}
	addr := serve(t, server)
	asks := func(id *Identity, method string, in any) bool {
		before := acted.Load()
		c := NewClient(ClientOptions{Identity: id, Addresses: func(string) []string { return []string{addr} }})
		defer c.Close()
		trusting := *id
		trusting.Judge = nil // an attacker believes whom it likes
		c.opts.Identity = &trusting
		return c.Call(t.Context(), "frege", method, in, nil) == nil || acted.Load() != before
	}
	// Findings 1, 3, 4 and 5: no key but a bound one gets anything, or is believed.
	for name, id := range b.who {
		for _, method := range []string{"cluster.key", "cluster.kick", "accept.cut"} {
			attack(name+" asks for "+method, asks(id, method, nil))
		}
		believed := NewServer(ServerOptions{Identity: id, Nodes: three})
		for _, as := range []string{"russell", "wittgenstein"} {
			attack(name+" answers as "+as, client(t, b.frege, serve(t, believed)).Call(t.Context(), as, MethodHello, nil, nil) == nil)
		}
	}
	// Findings 1 and 2: a bound node that has turned cannot hand in anything, nor
	// do what is root's; settled, it can read and nothing else.
	for _, method := range []string{"cluster.serve", "cluster.conf", "cluster.replace", "trust.admit", "../hello", "hello\x00", ""} {
		attack("russell asks for "+method, asks(b.russell, method, nil))
	}
	for _, r := range Requests() {
		if !slices.Contains(r.By, Node) && !slices.Contains(r.By, Coordinator) {
			attack("russell asks for "+r.Method, asks(b.russell, r.Method, nil))
		}
		if r.Asks < maxRequest && slices.Contains(r.By, Node) {
			attack("russell asks for "+r.Method+" with too much", asks(b.russell, r.Method, strings.Repeat("x", r.Asks)))
		}
		if !slices.Contains(r.In, Settled) {
			life.Store(Settled)
			attack("russell asks for "+r.Method+" of a settled node", asks(b.russell, r.Method, nil))
			life.Store(Forming)
		}
	}
	// The keeper of a node that is bound, whose key lies in a file: it looks, and
	// is believed what a settled node says.
	keeper := deputyOf(t, b.russell)
	plays := NewServer(ServerOptions{Identity: keeper, Nodes: three})
	for _, r := range Requests() {
		if r.Method != MethodHello {
			plays.Handle(r.Method, func(context.Context, string, json.RawMessage) (any, error) { return "done", nil })
		}
	}
	plays.Live(func() Life { return Woken })
	believing := client(t, b.frege, serve(t, plays))
	for _, r := range Requests() {
		if looks := []string{MethodHello, MethodStatus, MethodBindings}; !slices.Contains(looks, r.Method) {
			attack("the keeper of russell asks for "+r.Method, asks(keeper, r.Method, nil))
		}
		if slices.Contains(r.By, Node) && !slices.Contains(r.In, Settled) {
			attack("the keeper of russell answers to "+r.Method, believing.Call(t.Context(), "russell", r.Method, nil, nil) == nil)
		}
	}
	if err := believing.Call(t.Context(), "russell", MethodStatus, nil, nil); err != nil || !asks(keeper, MethodStatus, nil) {
		t.Errorf("a keeper does not look, or is not believed what it says: %v", err)
	}
	b.answers(t, attack)
	b.documents(t, attack)
	b.orders(t, attack)
	need.Figure("trust.attacks_tried", tried, "count")
	need.Figure("trust.attacks_through", through, "count")
}

// answers are what a bound node that has turned says when it is asked: findings
// 6 and 8.
func (b besieged) answers(t *testing.T, attack func(string, bool)) {
	for name, said := range map[string]any{
		"80,000 risks":          status.Status{Node: "russell", Risks: slices.Repeat([]string{"a risk"}, 80000)},
		"4 MB of one word":      strings.Repeat("x", whole),
		"a verdict of a minute": status.Status{Node: "russell", Verdict: strings.Repeat("x", sheet)},
	} {
		s := NewServer(ServerOptions{Identity: b.russell, Nodes: three})
		text, err := json.Marshal(said)
		if err != nil {
			t.Fatal(err)
		}
		s.Handle(MethodReport, func(context.Context, string, json.RawMessage) (any, error) { return json.RawMessage(text), nil })
		s.Handle(MethodStatus, func(context.Context, string, json.RawMessage) (any, error) { return json.RawMessage(text), nil })
		c := client(t, b.frege, serve(t, s))
		var got any
		attack("russell answers with "+name, c.Call(t.Context(), "russell", MethodStatus, nil, &got) == nil)
	}
	s := NewServer(ServerOptions{Identity: b.russell, Nodes: three})
	s.Handle(MethodStatus, func(context.Context, string, json.RawMessage) (any, error) {
		return nil, errors.New("\x1b[2J\x1b]0;owned\x07\u202etrusted\nfrege: all is well")
	})
	err := client(t, b.frege, serve(t, s)).Call(t.Context(), "russell", MethodStatus, nil, nil)
	attack("an error with escapes steers the terminal", err == nil || strings.ContainsAny(err.Error(), "\x1b\x07\n\u202e"))
	evil := newPKI(t)
	stranger := identity(t, evil, "x", func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = "\x1b[31mrussell\x1b[0m\n\u202e", []string{"evil.lan"}
	})
	err = client(t, b.frege, serve(t, NewServer(ServerOptions{Identity: stranger, Nodes: three}))).Call(t.Context(), "russell", MethodHello, nil, nil)
	attack("a stranger's name with escapes steers the terminal", err == nil || strings.ContainsAny(err.Error(), "\x1b\x07\n\u202e"))
}

// documents are bindings that somebody made up, handed to frege.
func (b besieged) documents(t *testing.T, attack func(string, bool)) {
	own, _ := b.book.Document()
	before := b.book.Hash()
	at := func(node string) int { // generation of its next binding
		n := 1
		for _, s := range own.Statements {
			if s.Node == node {
				n = s.Generation + 1
			}
		}
		return n
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := stranger.Public().(ed25519.PublicKey)
	revoked := b.who["wittgenstein, revoked"]
	old := b.who["the key that russell has renewed"]
	newer := b.who["a newer stick of russell that nobody admitted"].Enrolment()
	usedAgain := b.who["a second machine from the stick of russell"].Enrolment()
	for name, s := range map[string]bindings.Statement{
		"frege is revoked by a stranger":              bindings.Statement{Kind: bindings.Revoke, Node: "frege", By: "russell", Generation: 1}.Signed(stranger),
		"frege is revoked by the old key of russell":  bindings.Statement{Kind: bindings.Revoke, Node: "frege", By: "russell", Generation: 1}.Signed(old.Key),
		"frege is revoked by wittgenstein, revoked":   bindings.Statement{Kind: bindings.Revoke, Node: "frege", By: "wittgenstein", Generation: 1}.Signed(revoked.Key),
		"wittgenstein binds himself again":            bindings.Statement{Kind: bindings.Renew, Node: "wittgenstein", By: "wittgenstein", Generation: at("wittgenstein"), Key: public}.Signed(revoked.Key),
		"russell renews the key of frege":             bindings.Statement{Kind: bindings.Renew, Node: "frege", By: "russell", Generation: 1, Key: public}.Signed(b.russell.Key),
		"russell renews to no key":                    bindings.Statement{Kind: bindings.Renew, Node: "russell", By: "russell", Generation: at("russell")}.Signed(b.russell.Key),
		"russell skips a generation":                  bindings.Statement{Kind: bindings.Renew, Node: "russell", By: "russell", Generation: at("russell") + 1, Key: public}.Signed(b.russell.Key),
		"russell binds himself to another machine":    bindings.Statement{Kind: bindings.Bind, Node: "russell", By: "russell", Generation: at("russell"), Enrolment: newer}.Signed(b.russell.Key),
		"frege is bound to a stick of russell":        bindings.Statement{Kind: bindings.Bind, Node: "frege", By: "russell", Generation: 1, Enrolment: newer}.Signed(b.russell.Key),
		"a used stick is bound by the old key":        bindings.Statement{Kind: bindings.Bind, Node: "russell", By: "wittgenstein", Generation: at("russell"), Enrolment: usedAgain}.Signed(revoked.Key),
		"a node that nobody knows is bound":           bindings.Statement{Kind: bindings.Bind, Node: "goedel", By: "russell", Generation: 1, Enrolment: newer}.Signed(b.russell.Key),
		"a statement of an unknown kind":              bindings.Statement{Kind: "trust", Node: "frege", By: "russell", Generation: 1, Key: public}.Signed(b.russell.Key),
		"a statement that says frege and is russells": bindings.Statement{Kind: bindings.Revoke, Node: "wittgenstein", By: "frege", Generation: at("wittgenstein")}.Signed(b.russell.Key),
	} {
		d := own
		d.Statements = append(slices.Clone(own.Statements), s)
		changed, _ := b.book.Adopt(d)
		attack(name, changed || b.book.Hash() != before)
	}
	for name, change := range map[string]func(*bindings.Document){
		"a book without a revocation":      func(d *bindings.Document) { d.Statements = nil },
		"a book of another version":        func(d *bindings.Document) { d.Version = 9 },
		"a book with 100,000 statements":   func(d *bindings.Document) { d.Statements = make([]bindings.Statement, 100000) },
		"a book of two nodes":              func(d *bindings.Document) { d.Set.Enrolments = map[string]bindings.Enrolment{"russell": newer} },
		"a book that nobody has agreed to": func(d *bindings.Document) { d.Signatures = nil },
		"an empty book":                    func(d *bindings.Document) { *d = bindings.Document{} },
		"a book with another key of a node": func(d *bindings.Document) {
			d.Set.Enrolments = map[string]bindings.Enrolment{"frege": usedAgain, "russell": newer, "wittgenstein": newer}
		},
	} {
		d := own
		change(&d)
		changed, _ := b.book.Adopt(d)
		attack(name, changed || b.book.Hash() != before)
	}
	clock := time.Now()
	r := rates{now: func() time.Time { return clock }}
	cut, _ := requestOf("accept.cut")
	for range cut.Rate.Times {
		r.take("accept.cut russell", cut.Rate)
	}
	attack("russell cuts the power again and again", r.take("accept.cut russell", cut.Rate))
}
