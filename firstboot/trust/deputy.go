package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"time"

	"ringboot/discovery/grant"
	"ringboot/firstboot/trust/bindings"
)

// RoleDeputy marks the certificate of a node's keeper. The node's key signed
// it, not the CA, and it stands for that node and for nothing else.
const RoleDeputy = "keeper"

// Deputy is what a node hands to the program that stays when the builder has
// left: a key of its own, and the node's word for it. The node's key is not in it.
type Deputy struct {
	Key    []byte            `json:"key"`            // PEM
	Chain  []byte            `json:"chain"`          // PEM: the deputy's certificate, the node's, and its voucher
	Word   []byte            `json:"word,omitempty"` // the voucher's word for the node's own key
	CA     []byte            `json:"ca"`             // PEM
	Grants map[string][]byte `json:"grants"`         // by purpose: the deputy's public key and the node's signature
}

// Appoint makes a deputy with a fresh key. Each call makes another one.
func (id *Identity) Appoint() (Deputy, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Deputy{}, fmt.Errorf("key of the keeper: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Deputy{}, fmt.Errorf("certificate of the keeper: %w", err)
	}
	node := id.Cert.Leaf
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id.Name, OrganizationalUnit: []string{RoleDeputy}}, DNSNames: []string{id.Name},
		NotBefore: node.NotBefore, NotAfter: node.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, node, public, id.Key)
	if err != nil {
		return Deputy{}, fmt.Errorf("certificate of the keeper: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Deputy{}, fmt.Errorf("key of the keeper: %w", err)
	}
	chain := slices.Concat(encodeCert(der), encodeCert(node.Raw))
	for _, c := range id.behind {
		chain = append(chain, encodeCert(c.Raw)...)
	}
	d := Deputy{Grants: map[string][]byte{}, CA: encodeCert(id.CA.Raw), Chain: chain, Word: id.Word,
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})}
	for _, purpose := range []string{grant.Ring, grant.Record} {
		d.Grants[purpose] = grant.Give(id.Key, purpose, id.Name, public)
	}
	return d, nil
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Identity is the deputy as the channel uses it.
func (d Deputy) Identity() (*Identity, error) {
	id, certs, err := Own{Key: d.Key, Chain: d.Chain, CA: d.CA}.parse()
	if err != nil {
		return nil, fmt.Errorf("the keeper: %w", err)
	}
	if len(certs) < 2 {
		return nil, errors.New("the keeper's certificate has no node behind it: run firstboot settle again")
	}
	id.Name, id.node, id.behind, id.Grants, id.Word = certs[1].Subject.CommonName, certs[1], certs[2:], maps.Clone(d.Grants), d.Word
	return id, nil
}

// NodeCert is the certificate of the node itself: of its own key where it has one.
func (id *Identity) NodeCert() *x509.Certificate {
	if id.node != nil {
		return id.node
	}
	return id.Cert.Leaf
}

func isDeputy(cert *x509.Certificate) bool {
	return slices.Contains(cert.Subject.OrganizationalUnit, RoleDeputy)
}

// rests returns the certificate of the node (or the operator) that what a peer
// showed rests on: its own, or that of the node which appointed it as its
// keeper. It is followed down to the CA, and its key must be one that counts.
func (id *Identity) rests(certs []*x509.Certificate, name string, usage x509.ExtKeyUsage, now time.Time) (*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	node, rest := certs[0], certs[1:]
	if isDeputy(node) {
		var err error
		if node, rest, err = behindDeputy(node, rest); err != nil {
			return nil, err
		}
	}
	base := node
	if isOwn(node) {
		v, err := voucherOf(node, rest)
		if err != nil && id.Judge != nil && (name == "" || name == node.Subject.CommonName) {
			return node, id.renewed(node, rest, err)
		}
		if err != nil {
			return nil, err
		}
		// A voucher has no hour: a clock that was never set must not keep a
		// node out. What counts is whether its key is the bound one.
		base, now = v, v.NotBefore
	}
	if _, err := base.Verify(x509.VerifyOptions{DNSName: name, Roots: id.Roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		return nil, err
	}
	if id.Judge == nil || isOperator(node) {
		return node, nil
	}
	key, ok := node.PublicKey.(ed25519.PublicKey)
	if !ok || base == node {
		return nil, fmt.Errorf("%s shows the key of its stick, not one of its own: its agent is of the first edition, or somebody has its stick", node.Subject.CommonName)
	}
	return node, id.Judge.Judge(bindings.Enrolment{Own: node.Raw, Voucher: base.Raw}, key, node.Subject.CommonName)
}

// renewed judges an own key that no voucher signed: its node is bound to it, or
// to the key that signed it, by somebody who has not heard of the renewal yet.
func (id *Identity) renewed(node *x509.Certificate, rest []*x509.Certificate, otherwise error) error {
	name := node.Subject.CommonName
	if id.counts(node, name) {
		return nil
	}
	if len(rest) == 0 || !isOwn(rest[0]) || !id.counts(rest[0], name) || rest[0].Subject.CommonName != name ||
		rest[0].CheckSignature(node.SignatureAlgorithm, node.RawTBSCertificate, node.Signature) != nil {
		return otherwise
	}
	return nil
}

// counts reports whether a node is bound to a certificate's key now.
func (id *Identity) counts(cert *x509.Certificate, node string) bool {
	key, ok := cert.PublicKey.(ed25519.PublicKey)
	return ok && id.Judge.Judge(bindings.Enrolment{}, key, node) == nil
}

// behindDeputy returns the certificate of the node that appointed a keeper, and
// what was shown behind it.
func behindDeputy(deputy *x509.Certificate, rest []*x509.Certificate) (*x509.Certificate, []*x509.Certificate, error) {
	if len(rest) == 0 || isDeputy(rest[0]) || isOperator(rest[0]) {
		return nil, nil, errors.New("the certificate of a keeper comes without that of its node")
	}
	node := rest[0]
	if deputy.Subject.CommonName != node.Subject.CommonName {
		return nil, nil, fmt.Errorf("the keeper of %q calls itself %q", node.Subject.CommonName, deputy.Subject.CommonName)
	}
	if err := node.CheckSignature(deputy.SignatureAlgorithm, deputy.RawTBSCertificate, deputy.Signature); err != nil {
		return nil, nil, fmt.Errorf("%q did not appoint this keeper: %w", node.Subject.CommonName, err)
	}
	return node, rest[1:], nil
}
