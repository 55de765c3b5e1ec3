package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// RoleOperator is the organizational unit of an operator's certificate, and
// the name under which handlers see an operator.
const RoleOperator = "operator"

// ProtocolVersion is sent with every request and answer. Agents of different
// versions say so instead of misunderstanding each other.
const ProtocolVersion = 1

// Identity is who a program is within one cluster: a node or an operator.
type Identity struct {
	Name      string // node name, or RoleOperator
	Operator  bool
	ClusterID string // first 16 hexadecimal digits of the SHA-256 sum of the CA's certificate
	Cert      tls.Certificate
	CA        *x509.Certificate
	Roots     *x509.CertPool
	Key       ed25519.PrivateKey // the signing key of the node, or of its deputy
	Grants    map[string][]byte  // what a deputy may sign in the node's name; nil for the node itself
	// Judge says whether a node's key counts; nil: whatever the CA signed does.
	Judge Judge
	// Word is the voucher's word for the node's own key; empty without one.
	Word   []byte
	node   *x509.Certificate   // the node's, where Cert is not it
	behind []*x509.Certificate // the node's own key: that of the key before it, where it was renewed, and the voucher
}

// ParseIdentity reads the PEM texts of a cluster's CA, a certificate that it
// issued, and that certificate's key. It checks that the three belong together;
// the times in the certificate are judged when it is used.
func ParseIdentity(ca, cert, key []byte) (*Identity, error) {
	caCert, err := ParseCertificate(ca)
	if err != nil {
		return nil, fmt.Errorf("ca certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	pair.Leaf = leaf
	private, ok := pair.PrivateKey.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("key of %s is not an Ed25519 key: make the images again", leaf.Subject.CommonName)
	}
	if err := leaf.CheckSignatureFrom(caCert); err != nil {
		return nil, fmt.Errorf("certificate of %s is not from this cluster's ca: %w", leaf.Subject.CommonName, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(caCert)
	id := &Identity{Name: leaf.Subject.CommonName, ClusterID: clusterID(caCert), Cert: pair, CA: caCert, Roots: roots, Key: private}
	if isOperator(leaf) {
		id.Name, id.Operator = RoleOperator, true
	}
	return id, nil
}

// ParseCertificate reads the first certificate of a PEM text.
func ParseCertificate(text []byte) (*x509.Certificate, error) {
	for rest := text; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return nil, errors.New("holds no PEM block of type CERTIFICATE")
		}
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
}

// Fingerprint is the SHA-256 sum of the node's certificate.
func (id *Identity) Fingerprint() string { return Fingerprint(id.NodeCert()) }

// Fingerprint is the SHA-256 sum of a certificate, in unpadded URL-safe
// base64: short enough for a discovery record.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func clusterID(ca *x509.Certificate) string {
	sum := sha256.Sum256(ca.Raw)
	return hex.EncodeToString(sum[:8])
}

func isOperator(cert *x509.Certificate) bool {
	return slices.Contains(cert.Subject.OrganizationalUnit, RoleOperator)
}

// clientConfig is for asking the named node: its certificate must come from
// the cluster's CA and carry its name, both as CN and as DNS name.
func (id *Identity) clientConfig(node string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.Cert},
		ServerName:   node,
		Time:         now,
		NextProtos:   []string{"http/1.1"},
		// The library knows no deputies; rests verifies all that it would, and them.
		InsecureSkipVerify: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			leaf, err := id.rests(cs.PeerCertificates, node, x509.ExtKeyUsageServerAuth, now())
			if err != nil {
				return err
			}
			if isOperator(leaf) {
				return fmt.Errorf("an operator's certificate answered in place of %s", node)
			}
			if leaf.Subject.CommonName != node {
				return fmt.Errorf("certificate is for %q, not for %q", leaf.Subject.CommonName, node)
			}
			return nil
		},
	}
}

// serverConfig is for answering: only nodes of the profile and operators get
// past the handshake.
func (id *Identity) serverConfig(nodes []string, now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{id.Cert},
		ClientAuth:   tls.RequireAnyClientCert, // and verified below: the library knows no deputies
		Time:         now,
		NextProtos:   []string{"http/1.1"},
		// A resumed session would skip a look at the certificate's dates.
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			leaf, err := id.rests(cs.PeerCertificates, "", x509.ExtKeyUsageClientAuth, now())
			if err != nil {
				return err
			}
			_, err = peerName(leaf, nodes)
			return err
		},
	}
}

// peerName says who a verified certificate belongs to.
func peerName(leaf *x509.Certificate, nodes []string) (string, error) {
	if isOperator(leaf) {
		return RoleOperator, nil
	}
	name := leaf.Subject.CommonName
	if !slices.Contains(nodes, name) {
		return "", fmt.Errorf("%q is no node of the profile", name)
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return "", fmt.Errorf("certificate of %q: %w", name, err)
	}
	return name, nil
}

// explain turns an error of the handshake into a sentence that names the remedy.
func explain(node string, err error, now time.Time) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		leaf := invalid.Cert
		if now.Before(leaf.NotBefore) {
			return fmt.Sprintf("certificate of %s is valid from %s only, and the clock here says %s: set the clock",
				node, leaf.NotBefore.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
		}
		return fmt.Sprintf("certificate of %s ended on %s: make its image again, or set the clock here (%s)",
			node, leaf.NotAfter.UTC().Format(time.DateOnly), now.UTC().Format(time.DateTime))
	}
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Sprintf("certificate comes from another ca: %s was installed from another cluster's image", node)
	}
	var wrong x509.HostnameError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("another machine (%s) answers at the address of %s", wrong.Certificate.Subject.CommonName, node)
	}
	if remote, ok := remoteAlert(err); ok {
		return fmt.Sprintf("%s refuses our certificate (%s): both must come from one keyring, and its clock must be right", node, remote)
	}
	return err.Error()
}

// remoteAlert finds the TLS alert that the other side sent. With TLS 1.3 a
// server's refusal of our certificate arrives after our handshake is done.
func remoteAlert(err error) (string, bool) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: "), true
	}
	return "", false
}
