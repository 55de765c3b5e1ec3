package ring

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"ringboot/discovery/grant"
	"ringboot/firstboot/ring/verdict"
)

// Identity is what a node proves itself with on the cable: the certificate
// that the cluster's CA gave it. Without a CA it is the node's own, and Bound alone says whose counts.
type Identity struct {
	Node      string
	ClusterID string
	Leaf      *x509.Certificate
	CA        *x509.Certificate
	Key       ed25519.PrivateKey
	// Own is the word of the certificate's key for the one that the node made
	// itself: that key and a signature. Empty where the certificate's counts.
	Own []byte
	// Grant is the node's word for a Key that is not its own: that key and the
	// node's signature. Empty where Key is the node's.
	Grant []byte
	// Bound is the key to which a node is bound, once the nodes have agreed; nil
	// where it lost it. Before they agreed the certificate's word counts.
	Bound func(node string) (key ed25519.PublicKey, agreed bool)
}

// session is one run of a keeper: a fresh X25519 key and the number that tells
// it from the run before.
type session struct {
	id       Identity
	nodes    []string
	instance string // 16 hexadecimal digits, new at every start
	bootID   string // of the kernel
	private  *ecdh.PrivateKey
}

func newSession(id Identity, nodes []string, bootID string) (*session, error) {
	if id.Leaf == nil || id.CA == nil && id.Bound == nil || len(id.Key) != ed25519.PrivateKeySize {
		return nil, errors.New("the ring needs the node's certificate, its key and the cluster's ca: install the seed package")
	}
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("key for the ring's probes: %w", err)
	}
	var number [8]byte
	if _, err := rand.Read(number[:]); err != nil {
		return nil, fmt.Errorf("number of this run: %w", err)
	}
	return &session{id: id, nodes: nodes, instance: hex.EncodeToString(number[:]), bootID: bootID, private: private}, nil
}

// announce makes the signed hello of one port.
func (s *session) announce(port string, mtu int) ([]byte, error) {
	return sealAnnounce(Announce{
		Cluster: s.id.ClusterID, Node: s.id.Node, Port: port, Instance: s.instance,
		BootID: s.bootID, MTU: mtu, Public: s.private.PublicKey().Bytes(), Own: s.id.Own, Grant: s.id.Grant,
	}, s.id.Leaf.Raw, s.id.Key)
}

// Reasons why a hello is not believed. The verdict of the port names them.
// believe checks the signature of an announce, and that it comes from a node
// of this cluster.
func (s *session) believe(a Announce, frame signed) error {
	if a.Cluster != s.id.ClusterID {
		return fmt.Errorf("%w (%s)", verdict.ErrForeign, verdict.Printable(a.Cluster))
	}
	leaf, err := x509.ParseCertificate(frame.cert)
	if err != nil {
		return fmt.Errorf("%w: certificate: %w", verdict.ErrUntrusted, err)
	}
	// The dates are left to the trusted channel: the ring must come up on a
	// machine whose clock has lost its battery, and it carries no secrets.
	if s.id.CA != nil && leaf.CheckSignatureFrom(s.id.CA) != nil {
		return fmt.Errorf("%w: its certificate is not from this cluster's ca", verdict.ErrUntrusted)
	}
	if leaf.Subject.CommonName != a.Node {
		return fmt.Errorf("%w: it calls itself %s with the certificate of %s", verdict.ErrUntrusted,
			verdict.Printable(a.Node), verdict.Printable(leaf.Subject.CommonName))
	}
	public, ok := leaf.PublicKey.(ed25519.PublicKey)
	if public, err = s.own(a, public); err != nil {
		return err
	}
	if ok && len(a.Grant) > 0 {
		public, ok = grant.Open(public, grant.Ring, a.Node, a.Grant)
	}
	if !ok || !ed25519.Verify(public, frame.content, frame.signature) {
		return fmt.Errorf("%w: its signature is wrong", verdict.ErrUntrusted)
	}
	if !slices.Contains(s.nodes, a.Node) {
		return fmt.Errorf("%w: %s is no node of the profile", verdict.ErrUntrusted, verdict.Printable(a.Node))
	}
	return nil
}

// own is the key that speaks for the node: the one to which it is bound, or
// while nothing is bound the one that its voucher vouches for.
func (s *session) own(a Announce, voucher ed25519.PublicKey) (ed25519.PublicKey, error) {
	var bound ed25519.PublicKey
	agreed := false
	if s.id.Bound != nil {
		bound, agreed = s.id.Bound(a.Node)
	}
	switch {
	case s.id.CA == nil && (bound == nil || !bound.Equal(voucher)):
		return nil, fmt.Errorf("%w: %s is not paired with this machine, or shows another key than it did: if it is one of the three, ringkeeper forget %[2]s and pair again", verdict.ErrUntrusted, verdict.Printable(a.Node))
	case s.id.CA == nil:
		return bound, nil
	case agreed && (bound == nil || len(a.Own) < ed25519.PublicKeySize || !bound.Equal(ed25519.PublicKey(a.Own[:ed25519.PublicKeySize]))):
		return nil, fmt.Errorf("%w: %s is bound to another key: a used or copied stick, or another machine in its place", verdict.ErrUntrusted, verdict.Printable(a.Node))
	case agreed:
		return bound, nil
	case len(a.Own) == 0:
		return voucher, nil
	}
	key, ok := grant.Open(voucher, grant.Own, a.Node, a.Own)
	if !ok {
		return nil, fmt.Errorf("%w: its voucher does not vouch for its key", verdict.ErrUntrusted)
	}
	return key, nil
}

// probeKey is the key of the probes between two runs. Both ends compute the same.
func (s *session) probeKey(a Announce) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(a.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", verdict.ErrUntrusted, err)
	}
	shared, err := s.private.ECDH(public)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", verdict.ErrUntrusted, err)
	}
	ends := []string{s.id.Node + " " + s.instance, a.Node + " " + a.Instance}
	slices.Sort(ends)
	salt := bytes.Join([][]byte{[]byte(s.id.ClusterID), []byte(ends[0]), []byte(ends[1])}, []byte{0})
	return hkdf.Key(sha256.New, shared, salt, "ringboot ring probe 1", sha256.Size)
}
