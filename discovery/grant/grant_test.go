package grant

import (
	"bytes"
	"crypto/ed25519"
	"testing"
)

func TestAGrantIsForOnePurposeOneNodeAndOneKey(t *testing.T) {
	key := func(b byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
	}
	public := func(b byte) ed25519.PublicKey { return key(b).Public().(ed25519.PublicKey) }
	g := Give(key(1), "ring", "frege", public(2))
	if got, ok := Open(public(1), "ring", "frege", g); !ok || !got.Equal(public(2)) {
		t.Fatalf("a good one: %x %t", got, ok)
	}
	other := bytes.Clone(g)
	other[0] ^= 1
	for name, bad := range map[string]func() (ed25519.PublicKey, bool){
		"another giver":   func() (ed25519.PublicKey, bool) { return Open(public(3), "ring", "frege", g) },
		"another purpose": func() (ed25519.PublicKey, bool) { return Open(public(1), "record", "frege", g) },
		"another node":    func() (ed25519.PublicKey, bool) { return Open(public(1), "ring", "russell", g) },
		"another key":     func() (ed25519.PublicKey, bool) { return Open(public(1), "ring", "frege", other) },
		"cut off":         func() (ed25519.PublicKey, bool) { return Open(public(1), "ring", "frege", g[:Size-1]) },
		"nothing":         func() (ed25519.PublicKey, bool) { return Open(public(1), "ring", "frege", nil) },
		"no giver":        func() (ed25519.PublicKey, bool) { return Open(nil, "ring", "frege", g) },
	} {
		if got, ok := bad(); ok || got != nil {
			t.Errorf("%s is taken: %x", name, got)
		}
	}
}
