package keyring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"

	"ringboot/profiles"
)

// The dates are fixed, so that a certificate made again from the same key and
// names is the same bytes. The first one lies before any node's installation
// and long after 1970: a clock that lost its battery is told by it.
var (
	notBefore  = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	caUntil    = notBefore.AddDate(30, 0, 0)
	nodeUntil  = notBefore.AddDate(20, 0, 0)
	serialBits = 16 // bytes of the serial number, at most 20 (RFC 5280 4.1.2.2)
)

// roleOperator is the organizational unit by which agents know an operator.
const roleOperator = "operator"

// authority is the cluster's CA.
type authority struct {
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func (k *Keyring) authority(cluster string) (authority, error) {
	key, made, err := k.key("ca.key")
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Ringboot cluster " + cluster},
		NotBefore:             notBefore,
		NotAfter:              caUntil,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
	}
	template.SerialNumber = serial(key, template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("ca.crt: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, fmt.Errorf("ca.crt: %w", err)
	}
	text := encode("CERTIFICATE", der)
	if err := k.keep("ca.crt", text); err != nil {
		return authority{}, err
	}
	if made {
		k.Made = append(k.Made, "certificate authority of cluster "+cluster)
	}
	k.CA, k.CADER = text, der
	return authority{cert: cert, key: key}, nil
}

// nodeCertificate is what the voucher on a node's stick says: its name, both its
// addresses, and of which issue it is. The first has no number.
func nodeCertificate(p *profiles.Profile, n profiles.Node, issue int) *x509.Certificate {
	t := &x509.Certificate{
		Subject:  pkix.Name{CommonName: n.Name},
		DNSNames: []string{n.Name},
	}
	if issue > 1 {
		t.Subject.SerialNumber = strconv.Itoa(issue)
	}
	if p.Cluster.Domain != "" {
		t.DNSNames = append(t.DNSNames, n.Name+"."+p.Cluster.Domain)
	}
	if n.Address.IsValid() {
		t.IPAddresses = append(t.IPAddresses, net.IP(n.Address.AsSlice()))
	}
	if n.Ring.IsValid() {
		t.IPAddresses = append(t.IPAddresses, net.IP(n.Ring.AsSlice()))
	}
	return t
}

func operatorCertificate() *x509.Certificate {
	return &x509.Certificate{
		Subject:  pkix.Name{CommonName: roleOperator, OrganizationalUnit: []string{roleOperator}},
		DNSNames: []string{roleOperator},
	}
}

// certificate returns the pair of that name: the key is made once; the
// certificate follows from key and template, and changes only with them.
func (k *Keyring) certificate(ca authority, name string, template *x509.Certificate) (cert, key []byte, err error) {
	private, made, err := k.key(name + ".key")
	if err != nil {
		return nil, nil, err
	}
	template.NotBefore, template.NotAfter = notBefore, nodeUntil
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.BasicConstraintsValid = true
	template.SerialNumber = serial(private, template)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, private.Public(), ca.key)
	if err != nil {
		return nil, nil, fmt.Errorf("%s.crt: %w", name, err)
	}
	cert = encode("CERTIFICATE", der)
	if err := k.keep(name+".crt", cert); err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("%s.key: %w", name, err)
	}
	if made {
		k.Made = append(k.Made, "certificate and key: "+name)
	}
	return cert, encode("PRIVATE KEY", pkcs8), nil
}

// key reads a private key, or makes one. A damaged one is never replaced: with
// it would go every node that trusts it.
func (k *Keyring) key(name string) (key ed25519.PrivateKey, made bool, err error) {
	text, err := k.read(name)
	if err != nil {
		return nil, false, err
	}
	if text == nil {
		_, key, err = ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, false, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, false, err
		}
		return key, true, k.write(name, encode("PRIVATE KEY", der))
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, false, fmt.Errorf("%s holds no key in PEM form: restore it from a backup, or move the keyring away to begin a new cluster", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w: restore it from a backup, or move the keyring away to begin a new cluster", name, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, false, fmt.Errorf("%s holds a key that is not Ed25519", name)
	}
	return key, false, nil
}

// keep writes a file that follows from others, if it is not so already.
func (k *Keyring) keep(name string, content []byte) error {
	old, err := k.read(name)
	if err != nil {
		return err
	}
	if bytes.Equal(old, content) {
		return nil
	}
	return k.write(name, content)
}

// serial derives a serial number that differs whenever the certificate does.
func serial(key ed25519.PrivateKey, t *x509.Certificate) *big.Int {
	sum := sha256.New()
	sum.Write(key.Public().(ed25519.PublicKey))
	fmt.Fprintf(sum, "|%s|%q|%v", t.Subject, t.DNSNames, t.IPAddresses)
	n := sum.Sum(nil)[:serialBits]
	n[0] &= 0x7f // positive
	n[0] |= 0x40 // and of a fixed length
	return new(big.Int).SetBytes(n)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
