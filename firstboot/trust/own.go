package trust

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"ringboot/discovery/grant"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust/bindings"
)

// RoleOwn marks the certificate of a key that a node made itself. The voucher
// from its stick signed it.
const RoleOwn = "own"

// OwnVersion is the form in which a node keeps its own key.
const OwnVersion = 1

// Own is what a node keeps of its own key. The voucher's key is not in it.
type Own struct {
	Version int    `json:"version"`       // OwnVersion
	Key     []byte `json:"key,omitempty"` // PEM; not there where a TPM holds it
	Chain   []byte `json:"chain"`         // PEM: the certificate of the own key, then the voucher
	CA      []byte `json:"ca"`            // PEM
	Word    []byte `json:"word"`          // the own public key and the voucher's signature
}

// WhoOf is what a node says of the keys that it goes by.
func (id *Identity) WhoOf(b *bindings.Book) status.Who {
	set := b.Sees()
	w := status.Who{Bound: b.Hash(), Keys: map[string]string{}, Set: set.Hash(), Word: set.Sign(id.Key)}
	for node, e := range set.Enrolments {
		if c, err := e.Verify(id.CA); err == nil {
			w.Keys[node] = bindings.Fingerprint(c.Key)
		}
	}
	return w
}

// Judge says whether a key that somebody proved to hold counts as a node's now.
type Judge interface {
	Judge(e bindings.Enrolment, key ed25519.PublicKey, node string) error
}

// Enrol makes a key for the node whose voucher this identity is.
func (id *Identity) Enrol() (Own, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Own{}, fmt.Errorf("the node's own key: %w", err)
	}
	return id.EnrolKey(public, private)
}

// EnrolKey is Enrol for a key that is there.
func (id *Identity) EnrolKey(public ed25519.PublicKey, private ed25519.PrivateKey) (Own, error) {
	own, err := id.certify(id.Cert.Leaf, public, private)
	own.Chain = append(own.Chain, encodeCert(id.Cert.Leaf.Raw)...)
	return own, err
}

// certify makes a certificate of the node's own key, signed by this identity's.
func (id *Identity) certify(model *x509.Certificate, public ed25519.PublicKey, private ed25519.PrivateKey) (Own, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Own{}, fmt.Errorf("certificate of the node's own key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id.Name, OrganizationalUnit: []string{RoleOwn}}, DNSNames: []string{id.Name},
		NotBefore: model.NotBefore, NotAfter: model.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, id.Cert.Leaf, public, id.Key)
	if err != nil {
		return Own{}, fmt.Errorf("certificate of the node's own key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return Own{}, fmt.Errorf("the node's own key: %w", err)
	}
	return Own{Version: OwnVersion, Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), CA: encodeCert(id.CA.Raw), Chain: encodeCert(der),
		Word: grant.Give(id.Key, grant.Own, id.Name, public)}, nil
}

// Renewed is another key of the same node's own. The old key gives its word for
// it, by a certificate and in the bindings; no voucher does. Who has not heard of
// the renewal yet goes by the certificate.
func (o Own) Renewed() (Own, ed25519.PublicKey, error) {
	id, err := o.Identity()
	if err != nil {
		return Own{}, nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Own{}, nil, fmt.Errorf("the node's own key: %w", err)
	}
	next, err := id.certify(id.node, public, private)
	if err != nil {
		return Own{}, nil, err
	}
	next.Chain = slices.Concat(next.Chain, encodeCert(id.node.Raw), encodeCert(id.Voucher().Raw))
	return next, public, nil
}

// Identity is the node as the channel uses it.
func (o Own) Identity() (*Identity, error) {
	id, certs, err := o.parse()
	if err != nil {
		return nil, err
	}
	last := len(certs) - 1
	if last < 1 || last > 2 || !isOwn(certs[0]) || isOwn(certs[last]) {
		return nil, errors.New("the node's own certificate comes without its voucher: install the ringboot-seed package of this node again")
	}
	id.Name, id.node, id.behind, id.Word = certs[0].Subject.CommonName, certs[0], certs[1:], o.Word
	return id, nil
}

// parse reads key, chain and CA.
func (o Own) parse() (*Identity, []*x509.Certificate, error) {
	ca, err := ParseCertificate(o.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("ca certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(o.Chain, o.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate and key: %w", err)
	}
	private, ok := pair.PrivateKey.(ed25519.PrivateKey)
	if !ok {
		return nil, nil, errors.New("the key is not an Ed25519 key")
	}
	var certs []*x509.Certificate
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate: %w", err)
		}
		certs = append(certs, c)
	}
	pair.Leaf = certs[0]
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &Identity{ClusterID: clusterID(ca), Cert: pair, CA: ca, Roots: roots, Key: private}, certs, nil
}

// Enrolment is what this node shows of its own key; empty where it has none.
func (id *Identity) Enrolment() bindings.Enrolment {
	if len(id.behind) == 0 || id.node == nil {
		return bindings.Enrolment{}
	}
	return bindings.Enrolment{Own: id.node.Raw, Voucher: id.Voucher().Raw}
}

// Voucher is the certificate that the CA made for the node's stick.
func (id *Identity) Voucher() *x509.Certificate {
	if n := len(id.behind); n > 0 {
		return id.behind[n-1]
	}
	return id.NodeCert()
}

func isOwn(cert *x509.Certificate) bool {
	return slices.Contains(cert.Subject.OrganizationalUnit, RoleOwn)
}

// voucherOf returns the voucher behind a node's own certificate, among what a
// peer showed.
func voucherOf(own *x509.Certificate, rest []*x509.Certificate) (*x509.Certificate, error) {
	if len(rest) == 0 || len(rest[0].Subject.OrganizationalUnit) > 0 {
		return nil, errors.New("the certificate of a node's own key comes without its voucher")
	}
	v := rest[0]
	if own.Subject.CommonName != v.Subject.CommonName {
		return nil, fmt.Errorf("the voucher of %q cannot enrol %q", v.Subject.CommonName, own.Subject.CommonName)
	}
	if err := v.CheckSignature(own.SignatureAlgorithm, own.RawTBSCertificate, own.Signature); err != nil {
		return nil, fmt.Errorf("the voucher of %q did not sign this key: %w", v.Subject.CommonName, err)
	}
	return v, nil
}
