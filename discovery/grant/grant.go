// Package grant is the word with which one key lets another stand for it, for
// one purpose: a node's for its keeper, a voucher's for the key that its node
// made. Whoever gives such a word and whoever holds a key against one go by the
// same bytes.
package grant

import (
	"crypto/ed25519"
	"slices"
)

// Size is how many bytes a grant has: the public key and the signature.
const Size = ed25519.PublicKeySize + ed25519.SignatureSize

// What a grant is for.
const (
	Ring   = "ring"   // the hello on a cable
	Record = "record" // discovery records
	Own    = "own"    // all that a node does with the key that it made itself
)

// word is what is signed.
func word(purpose, node string, public ed25519.PublicKey) []byte {
	return append([]byte("ringboot grant 1\x00"+purpose+"\x00"+node+"\x00"), public...)
}

// Give has a key of a node speak for another one.
func Give(by ed25519.PrivateKey, purpose, node string, public ed25519.PublicKey) []byte {
	return append(slices.Clone(public), ed25519.Sign(by, word(purpose, node, public))...)
}

// Open returns the key that a grant is for, if that key gave it.
func Open(by ed25519.PublicKey, purpose, node string, grant []byte) (ed25519.PublicKey, bool) {
	if len(by) != ed25519.PublicKeySize || len(grant) != Size {
		return nil, false
	}
	public, signature := ed25519.PublicKey(grant[:ed25519.PublicKeySize]), grant[ed25519.PublicKeySize:]
	if !ed25519.Verify(by, word(purpose, node, public), signature) {
		return nil, false
	}
	return public, true
}
