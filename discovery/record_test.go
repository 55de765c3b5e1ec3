package discovery

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// keyOf returns a key that depends on the name alone.
func keyOf(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func public(name string) ed25519.PublicKey { return keyOf(name).Public().(ed25519.PublicKey) }

func record(node string) Record {
	return Record{
		ClusterID: "0123456789abcdef", Node: node, Boot: "5f2c11d0", Run: "7f3a1c22", Sequence: 1000,
		Phase: "peers", Step: 5, Steps: 11, Port: 8643, Plan: "8f14e45fceea167a",
		Addresses:   []netip.Addr{netip.MustParseAddr("10.203.3.11"), netip.MustParseAddr("10.203.4.11"), netip.MustParseAddr("fd00::11")},
		Fingerprint: base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
		Neighbours:  []Neighbour{{"en05", "russell", "up", 20000}, {"en06", "", "down", 0}},
		Waiting:     `have 2/3, missing wittgenstein: seen, not reachable ("10.203.3.13:8643" refused) \ übel`,
	}
}

func TestRecordComesBackAsItWas(t *testing.T) {
	want := record("frege")
	texts, err := want.Sign(keyOf("frege"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Parse(texts)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m.Record, want) {
		t.Errorf("got  %+v\nwant %+v", m.Record, want)
	}
	if !m.Verify(public("frege")) {
		t.Error("the signature does not fit its key")
	}
	if m.Verify(public("russell")) || m.Verify(nil) {
		t.Error("the signature fits another key")
	}
}

func TestChangedRecordsDoNotVerify(t *testing.T) {
	texts, err := record("frege").Sign(keyOf("frege"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range texts[:len(texts)-1] {
		changed := append([]string(nil), texts...)
		changed[i] = strings.NewReplacer("0", "1", "e", "f").Replace(changed[i])
		if changed[i] == texts[i] {
			continue
		}
		if m, err := Parse(changed); err == nil && m.Verify(public("frege")) {
			t.Errorf("%q was changed to %q and still verifies", texts[i], changed[i])
		}
	}
	swapped := append([]string(nil), texts...)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	if m, err := Parse(swapped); err == nil && m.Verify(public("frege")) {
		t.Error("swapped strings still verify")
	}
}

func TestRecordsStayWithinTheirBounds(t *testing.T) {
	r := record(strings.Repeat("n", 63))
	r.Waiting = strings.Repeat("ü", 5000)
	r.Plan = strings.Repeat("a", 64)
	for range 40 {
		r.Addresses = append(r.Addresses, netip.MustParseAddr("fd00:1111:2222:3333:4444:5555:6666:7777"))
	}
	r.Neighbours = []Neighbour{{strings.Repeat("p", 15), strings.Repeat("r", 63), "unproven", 40000}, {strings.Repeat("q", 15), strings.Repeat("w", 63), "unproven", 40000}, {}}
	texts, err := r.Sign(keyOf("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range texts {
		if len(s) > maxString {
			t.Errorf("a string of %d bytes: %s", len(s), s)
		}
	}
	if _, err := Parse(texts); err != nil {
		t.Errorf("what was sent is not accepted: %v", err)
	}
	z := &zone{key: keyOf("x"), now: testClock}
	if err := z.publish(r); err != nil {
		t.Fatal(err)
	}
	if n := len(packed(t, z)); n >= 1000 {
		t.Errorf("a datagram of %d bytes, want below 1000", n)
	}
}

func TestMalformedRecordsAreRefused(t *testing.T) {
	good, err := record("frege").Sign(keyOf("frege"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) []string {
		out := make([]string, len(good))
		for i, s := range good {
			if strings.HasPrefix(s, old) {
				s = new
			}
			out[i] = s
		}
		return out
	}
	for want, texts := range map[string][]string{
		"record of 0 strings":                       nil,
		"record is not signed":                      good[:len(good)-1],
		`record has format "2", here 1`:             with("v=", "v=2"),
		`cluster id "zz" is not hexadecimal`:        with("c=", "c=zz"),
		`node "../x" is not a host name`:            with("n=", "n=../x"),
		`node "" is not a host name`:                with("n=", "n="),
		`record holds a bad number q="-1"`:          with("q=", "q=-1"),
		`record holds a bad number q="1844674407`:   with("q=", "q=18446744073709551616"),
		"step 100/1 is out of range":                with("s=", "s=100/1"),
		"port 0 is out of range":                    with("o=", "o=0"),
		`record holds a bad address "fe80::1%eth0"`: with("a=", "a=fe80::1%eth0"),
		"fingerprint is not":                        with("f=", "f=abc"),
		`record holds a bad neighbour "x"`:          with("r=", "r=x"),
		"not printable":                             with("w=", "w=\x1b[2J"),
		"record holds v= twice":                     append([]string{"v=1"}, good...),
		"no key=value":                              with("w=", "w="+strings.Repeat("x", 300)),
		"record is incomplete":                      with("n=", "x=frege"),
	} {
		_, err := Parse(texts)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// FuzzRecord looks for a text that panics, breaks the bounds, or comes back as
// something else than it was read as.
func FuzzRecord(f *testing.F) {
	good, err := record("frege").Sign(keyOf("frege"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(strings.Join(good, "\n"), []byte{})
	f.Add("v=1\nn=a\nc=0\nb=.\nq=1\ng=", []byte{0, 0, 0x84, 0})
	z := &zone{key: keyOf("frege"), now: testClock}
	if err := z.publish(record("frege")); err != nil {
		f.Fatal(err)
	}
	f.Add("", packed(f, z))
	f.Fuzz(func(t *testing.T, text string, packet []byte) {
		for _, texts := range append(answers(packet), strings.Split(text, "\n")) {
			m, err := Parse(texts)
			if err != nil {
				continue
			}
			again, err := m.Record.Sign(keyOf("frege"))
			if err != nil {
				t.Fatalf("read and cannot be written: %v", err)
			}
			back, err := Parse(again)
			if err != nil {
				t.Fatalf("written and cannot be read: %v", err)
			}
			if !reflect.DeepEqual(back.Record, m.Record) && size(texts) < maxText-100 && len(m.Record.Plan) <= 16 {
				t.Errorf("got  %+v\nwant %+v", back.Record, m.Record)
			}
		}
		if got := unescape(escape(text)); got != text {
			t.Errorf("escaping %q gave %q", text, got)
		}
	})
}

// A keeper signs with a key of its own; its node's word for it comes along.
func TestAKeepersRecordVerifiesByItsNode(t *testing.T) {
	grant := func(by, node, purpose string) []byte {
		word := append([]byte("ringboot grant 1\x00"+purpose+"\x00"+node+"\x00"), public("keeper")...)
		return append(append([]byte{}, public("keeper")...), ed25519.Sign(keyOf(by), word)...)
	}
	for name, c := range map[string]struct {
		grant []byte
		want  bool
	}{
		"its node's":            {grant("frege", "frege", "record"), true},
		"another node's":        {grant("russell", "frege", "record"), false},
		"for another node":      {grant("frege", "russell", "record"), false},
		"for another purpose":   {grant("frege", "frege", "ring"), false},
		"none, and another key": {nil, false},
	} {
		r := record("frege")
		r.Grant, r.Waiting = c.grant, ""
		texts, err := r.Sign(keyOf("keeper"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Parse(texts)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Verify(public("frege")); got != c.want {
			t.Errorf("a grant %s: verified is %v", name, got)
		}
	}
	short := record("frege")
	short.Grant = []byte("short")
	if texts, err := short.Sign(keyOf("keeper")); err != nil {
		t.Fatal(err)
	} else if _, err := Parse(texts); err == nil {
		t.Error("a grant of the wrong length was read")
	}
}
