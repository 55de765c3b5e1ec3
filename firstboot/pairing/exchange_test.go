package pairing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"ringboot/profiles/fault"
)

func key(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

// card is that of the machine number i: a, b, c ...
func card(i byte) Card {
	return Card{Node: string('a' + rune(i)), Ring: netip.AddrFrom4([4]byte{10, 203, 4, 11 + i}), MTU: 9000, Key: key(i).Public().(ed25519.PublicKey)}
}

func begin(t *testing.T, c Card) *Exchange {
	t.Helper()
	x, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// talk passes what each end says to the other until both have all.
func talk(a, b *Exchange) error {
	for range 3 {
		if err := errors.Join(b.Hear(a.Say()), a.Hear(b.Say())); err != nil {
			return err
		}
	}
	return nil
}

func found(t *testing.T, x *Exchange) (Card, string) {
	t.Helper()
	c, code, ok := x.Found()
	if !ok || len(code) != 6 {
		t.Fatalf("found %v %q %v", c, code, ok)
	}
	return c, code
}

func TestBothEndsShowOneCode(t *testing.T) {
	a, b := begin(t, card(0)), begin(t, card(1))
	if err := talk(a, b); err != nil {
		t.Fatal(err)
	}
	there, one := found(t, a)
	here, two := found(t, b)
	if one != two || there.Node != "b" || here.Node != "a" || !there.Key.Equal(card(1).Key) {
		t.Errorf("%q of %v, %q of %v", one, there, two, here)
	}
	if !a.other || !b.other {
		t.Error("an end does not know that the other one has its card")
	}
	if len(a.Say()) > maxDatagram {
		t.Errorf("%d bytes", len(a.Say()))
	}
}

// The longest names and both neighbours fit into one datagram.
func TestTheLongestCardFits(t *testing.T) {
	long := func(i byte) Peer {
		return Peer{Node: strings.Repeat(string('a'+rune(i)), 63), Ring: netip.MustParseAddr("223.255.255.254"), Key: key(i).Public().(ed25519.PublicKey)}
	}
	c := Card{Node: long(0).Node, Ring: long(0).Ring, MTU: 65520, Key: long(0).Key, Knows: []Peer{long(1), long(2)}}
	a, b := begin(t, c), begin(t, card(5))
	if err := talk(a, b); err != nil {
		t.Fatal(err)
	}
	if found(t, b); len(a.Say()) > maxDatagram {
		t.Errorf("%d bytes, at most %d pass", len(a.Say()), maxDatagram)
	}
}

// Who stands between two machines and shows each its own key gives them two
// codes; and it cannot wait for one end's number before it chooses its own.
func TestWhoStandsBetweenGivesTwoCodes(t *testing.T) {
	same := 0
	const tries = 200
	for range tries {
		a, b := begin(t, card(0)), begin(t, card(1))
		toA, toB := begin(t, Card{Node: "b", Ring: card(1).Ring, MTU: 9000, Key: card(9).Key}), begin(t, Card{Node: "a", Ring: card(0).Ring, MTU: 9000, Key: card(9).Key})
		if err := errors.Join(talk(a, toA), talk(b, toB)); err != nil {
			t.Fatal(err)
		}
		_, one := found(t, a)
		if _, two := found(t, b); one == two {
			same++
		}
	}
	if same > 0 { // one in a million each
		t.Errorf("%d of %d times both screens showed the same", same, tries)
	}
}

// No end shows its number before the other one is bound to its own, and none
// gives a second guess.
func TestNoEndCanChooseItsNumberLast(t *testing.T) {
	a := begin(t, card(0))
	if m := said(t, a); m.Nonce != nil || m.Card != nil {
		t.Fatal("the number was shown to whoever listens")
	}
	b := begin(t, card(1))
	if err := a.Hear(b.Say()); err != nil {
		t.Fatal(err)
	}
	if m := said(t, a); !bytes.Equal(m.Nonce, a.nonce) {
		t.Fatal("a does not go on")
	}
	other := begin(t, card(9))
	if err := a.Hear(other.Say()); fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "began anew") {
		t.Errorf("another commitment: %v", err)
	}
	// It keeps the commitment and shows something else.
	b.their = a.own
	b.card = bytes.Replace(b.card, []byte(`"b"`), []byte(`"x"`), 1)
	if err := a.Hear(b.Say()); fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "not what it promised") {
		t.Errorf("another card than promised: %v", err)
	}
	if _, _, ok := a.Found(); ok {
		t.Error("it was taken")
	}
}

func said(t *testing.T, x *Exchange) (m message) {
	t.Helper()
	if err := json.Unmarshal(x.Say(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatIsNoPairingIsRefusedOrLeft(t *testing.T) {
	of := func(change func(*Card)) func(*Exchange) []byte {
		return func(a *Exchange) []byte {
			c := card(1)
			change(&c)
			b := begin(t, c)
			b.their = a.own
			return b.Say()
		}
	}
	for name, c := range map[string]struct {
		says func(a *Exchange) []byte
		want string // "": it is left
	}{
		"noise":                                 {func(*Exchange) []byte { return []byte{0xff, 0} }, ""},
		"JSON of others":                        {func(*Exchange) []byte { return []byte(`{"x":1}`) }, ""},
		"no commitment":                         {func(*Exchange) []byte { return []byte(`{"ringboot_pairing":1}`) }, ""},
		"another version":                       {func(*Exchange) []byte { return []byte(`{"ringboot_pairing":2}`) }, "by version 2"},
		"its own echo":                          {func(a *Exchange) []byte { return a.Say() }, "leads back to this machine"},
		"its own name":                          {of(func(c *Card) { c.Node = "a" }), "calls itself a, too"},
		"a name that paints":                    {of(func(c *Card) { c.Node = "\x1b[31m" }), "a card that is none"},
		"a key of another length":               {of(func(c *Card) { c.Key = c.Key[:31] }), "a card that is none"},
		"an address of IPv6":                    {of(func(c *Card) { c.Ring = netip.IPv6Loopback() }), "a card that is none"},
		"no MTU":                                {of(func(c *Card) { c.MTU = 0 }), "a card that is none"},
		"more machines than three":              {of(func(c *Card) { c.Knows = make([]Peer, 3) }), "a card that is none"},
		"a stranger it vouches for without key": {of(func(c *Card) { c.Knows = []Peer{{Node: "c", Ring: card(2).Ring}} }), "a card that is none"},
	} {
		a := begin(t, card(0))
		err := a.Hear(c.says(a))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, _, ok := a.Found(); ok {
			t.Errorf("%s is taken", name)
		}
	}
}

// pipe is one end of a cable in memory that loses the first few datagrams.
type pipe struct {
	out, in chan []byte
	lose    *int
	closed  chan struct{}
	once    sync.Once
}

func (p *pipe) Send(d []byte) error {
	if *p.lose > 0 {
		*p.lose--
		return errors.New("the address is not good yet")
	}
	select {
	case p.out <- bytes.Clone(d):
	case <-p.closed:
	}
	return nil
}

func (p *pipe) Receive(b []byte) (int, error) {
	select {
	case d := <-p.in:
		return copy(b, d), nil
	case <-p.closed:
		return 0, errors.New("closed")
	}
}

func (p *pipe) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

func TestDatagramsThatAreLostAreSaidAgain(t *testing.T) {
	one, two := make(chan []byte, 16), make(chan []byte, 16)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	codes, done := make(chan string, 2), make(chan bool, 2)
	var all sync.WaitGroup
	for i, p := range []*pipe{{out: one, in: two, lose: new(int), closed: make(chan struct{})}, {out: two, in: one, lose: new(int), closed: make(chan struct{})}} {
		*p.lose = 2
		x := begin(t, card(byte(i)))
		all.Go(func() {
			if err := x.Run(ctx, p, func(_ Card, code string) { codes <- code }, func() { done <- true }); err != nil {
				t.Error(err)
			}
		})
	}
	if a, b := <-codes, <-codes; a != b {
		t.Errorf("%s and %s", a, b)
	}
	<-done
	<-done
	cancel()
	all.Wait()
}

func TestAPortThatGoesIsSaid(t *testing.T) {
	p := &pipe{out: make(chan []byte, 16), in: make(chan []byte), lose: new(int), closed: make(chan struct{})}
	p.Close()
	if err := begin(t, card(0)).Run(t.Context(), p, nil, nil); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "the port is gone") {
		t.Errorf("%v", err)
	}
}

func FuzzHear(f *testing.F) {
	x, err := New(card(0))
	if err != nil {
		f.Fatal(err)
	}
	b, err := New(card(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Say())
	b.their = x.own
	f.Add(b.Say())
	f.Fuzz(func(t *testing.T, datagram []byte) {
		x := begin(t, card(0))
		_ = x.Hear(datagram)
		if c, _, ok := x.Found(); ok && !nodeForm.MatchString(c.Node) {
			t.Errorf("%q", c.Node)
		}
	})
}
