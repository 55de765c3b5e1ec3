// Package bindings is who is who in one cluster: the key to which each node is
// bound, and how that may change.
//
// A stick carries a voucher: a certificate of the cluster's CA, good for one
// enrolment. The node makes a key of its own, for which the voucher gives its
// word once. Before anything cluster-wide all nodes agree on one set of such
// keys; from then on only bound keys count, whoever holds a stick. What changes
// later is a statement that a bound key signed. The package keeps one file and
// decides nothing of what a peer may do.
package bindings

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// Enrolment is a voucher's word for a key that a node made itself.
type Enrolment struct {
	Own     []byte `json:"own"`     // DER: the certificate of the node's own key, signed by the voucher's
	Voucher []byte `json:"voucher"` // DER: the voucher, signed by the CA
}

// Claim is what a sound enrolment says.
type Claim struct {
	Node   string
	Key    ed25519.PublicKey
	Number int // of the voucher: a newer one has a larger number
}

// Verify checks an enrolment down to the cluster's CA. It looks at no clock: a
// machine whose battery is dead must enrol as well.
func (e Enrolment) Verify(ca *x509.Certificate) (Claim, error) {
	own, err := x509.ParseCertificate(e.Own)
	if err != nil {
		return Claim{}, fmt.Errorf("certificate of the node's own key: %w", err)
	}
	voucher, err := x509.ParseCertificate(e.Voucher)
	if err != nil {
		return Claim{}, fmt.Errorf("voucher: %w", err)
	}
	if err := voucher.CheckSignatureFrom(ca); err != nil {
		return Claim{}, fmt.Errorf("the voucher of %q is not from this cluster's ca: %w", own.Subject.CommonName, err)
	}
	if len(voucher.Subject.OrganizationalUnit) > 0 {
		return Claim{}, fmt.Errorf("the certificate of a %q is no voucher", voucher.Subject.OrganizationalUnit[0])
	}
	if err := voucher.CheckSignature(own.SignatureAlgorithm, own.RawTBSCertificate, own.Signature); err != nil {
		return Claim{}, fmt.Errorf("the voucher of %q did not sign this key: %w", voucher.Subject.CommonName, err)
	}
	key, ok := own.PublicKey.(ed25519.PublicKey)
	switch {
	case !ok:
		return Claim{}, fmt.Errorf("the own key of %q is not an Ed25519 key", own.Subject.CommonName)
	case own.Subject.CommonName != voucher.Subject.CommonName:
		return Claim{}, fmt.Errorf("the voucher of %q cannot enrol %q", voucher.Subject.CommonName, own.Subject.CommonName)
	case key.Equal(voucher.PublicKey):
		return Claim{}, errors.New("the voucher's key is not a key of the node's own")
	}
	number, err := Number(voucher)
	return Claim{Node: own.Subject.CommonName, Key: key, Number: number}, err
}

// Number is the number of a voucher. One of the first edition has none, and
// counts as 1.
func Number(voucher *x509.Certificate) (int, error) {
	text := voucher.Subject.SerialNumber
	if text == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the voucher of %q has the number %q, which is none", voucher.Subject.CommonName, text)
	}
	return n, nil
}

// Fingerprint is a key as people compare it: the first 16 letters of its
// SHA-256 sum in unpadded URL-safe base64.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return base64.RawURLEncoding.EncodeToString(sum[:])[:16]
}
