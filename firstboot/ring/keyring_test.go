package ring

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"testing"
	"time"

	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/profiles"
	"ringboot/rehearsal/cable"
)

type event = status.Event

// keyring is the CA of one test cluster.
type keyring struct {
	ca  *x509.Certificate
	key ed25519.PrivateKey
}

func newKeyring(t testing.TB) keyring {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test ca"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return keyring{ca, private}
}

func (k keyring) identity(t testing.TB, node string) Identity {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: node}, DNSNames: []string{node},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, k.ca, public, k.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return Identity{Node: node, ClusterID: profiles.ClusterID(k.ca.Raw), Leaf: leaf, CA: k.ca, Key: private}
}

// names of the nodes, and their addresses on the ring.
var nodeNames = []string{"frege", "russell", "wittgenstein"}

func testConfig(i int) layout.Config {
	cfg := layout.Config{Node: nodeNames[i], Addr: ringAddr(i), Order: nodeNames, Transport: transport(profiles.TransportEthernet), MTU: 65520,
		Ports: []profiles.RingPort{{Name: "en05", Interface: "en05"}, {Name: "en06", Interface: "en06"}},
		// A test does not wait two seconds for a link to be trusted again.
		Timing: layout.Timing{Return: 300 * time.Millisecond, Flap: time.Second}}
	for j, n := range nodeNames {
		if j != i {
			cfg.Peers = append(cfg.Peers, layout.Peer{Node: n, Addr: ringAddr(j)})
		}
	}
	return cfg
}

// transport is a transport's row of the table.
func transport(name string) profiles.Transport {
	t, ok := profiles.TransportOf(name)
	if !ok {
		panic("no transport " + name)
	}
	return t
}

// A keeper's hello is believed by its node's word, and by nobody else's.
func TestAKeepersHelloIsBelievedByItsNode(t *testing.T) {
	k := newKeyring(t)
	frege, russell := k.identity(t, "frege"), k.identity(t, "russell")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	grant := func(by Identity, node, purpose string) []byte {
		word := append([]byte("ringboot grant 1\x00"+purpose+"\x00"+node+"\x00"), public...)
		return append(append([]byte{}, public...), ed25519.Sign(by.Key, word)...)
	}
	for name, c := range map[string]struct {
		grant []byte
		ok    bool
	}{
		"its node's":          {grant(russell, "russell", "ring"), true},
		"another node's":      {grant(frege, "russell", "ring"), false},
		"for another node":    {grant(russell, "frege", "ring"), false},
		"for another purpose": {grant(russell, "russell", "record"), false},
		"none":                {nil, false},
	} {
		deputy := russell
		deputy.Key, deputy.Grant = private, c.grant
		s, err := newSession(deputy, []string{"frege", "russell"}, "")
		if err != nil {
			t.Fatal(err)
		}
		text, err := s.announce("en05", 1500)
		if err != nil {
			t.Fatal(err)
		}
		a, frame, err := parseAnnounce(text)
		if err != nil {
			t.Fatal(err)
		}
		other, err := newSession(frege, []string{"frege", "russell"}, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := other.believe(a, frame); (err == nil) != c.ok {
			t.Errorf("a grant %s: %v", name, err)
		}
	}
}

// What only listens, on a cable of the rehearsal, must find the node's own key there.
func TestTheHelloShowsTheKeyThatTheNodeMade(t *testing.T) {
	frege := newKeyring(t).identity(t, "frege")
	frege.Own = bytes.Repeat([]byte{7}, ed25519.PublicKeySize+ed25519.SignatureSize)
	s, err := newSession(frege, nodeNames, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.announce("en05", 1500)
	if err != nil {
		t.Fatal(err)
	}
	const ethernet, ip, udp = 14, 20, 8
	frame := make([]byte, ethernet+ip+udp, ethernet+ip+udp+len(text))
	frame[12], frame[13] = 0x08, 0x00     // IPv4
	frame[ethernet], frame[23] = 0x45, 17 // version 4, 20 bytes of header; UDP
	binary.BigEndian.PutUint16(frame[ethernet+2:], uint16(ip+udp+len(text)))
	binary.BigEndian.PutUint16(frame[ethernet+ip+2:], UDPPort)
	binary.BigEndian.PutUint16(frame[ethernet+ip+4:], uint16(udp+len(text)))
	if node, word := cable.OwnKey(append(frame, text...)); node != "frege" || !bytes.Equal(word, frege.Own) {
		t.Errorf("a listener hears the key %x of %q", word, node)
	}
}

// Without a CA a hello is believed by the key that a pairing brought, and by no
// certificate, own word or grant of another key.
func TestWithoutACAOnlyThePairedKeyCounts(t *testing.T) {
	k := newKeyring(t)
	frege, russell, stranger := k.identity(t, "frege"), k.identity(t, "russell"), k.identity(t, "russell")
	paired := russell.Leaf.PublicKey.(ed25519.PublicKey)
	frege.CA = nil
	if _, err := newSession(frege, nodeNames, ""); err == nil {
		t.Fatal("nobody says whose key counts, and the ring is kept")
	}
	frege.Bound = func(node string) (ed25519.PublicKey, bool) {
		if node == "russell" {
			return paired, true
		}
		return nil, false
	}
	s, err := newSession(frege, nodeNames, "")
	if err != nil {
		t.Fatal(err)
	}
	stranger.Own = append(bytes.Clone(paired), make([]byte, ed25519.SignatureSize)...)
	forged := russell
	forged.Key = stranger.Key
	for name, c := range map[string]struct {
		id   Identity
		want string
	}{
		"the paired key":                      {russell, ""},
		"another key with its name":           {stranger, "not trusted: russell is not paired with this machine, or shows another key than it did: if it is one of the three, ringkeeper forget russell and pair again"},
		"the paired certificate, another key": {forged, "not trusted: its signature is wrong"},
		"a machine that is not paired":        {k.identity(t, "wittgenstein"), "not trusted: wittgenstein is not paired with this machine, or shows another key than it did: if it is one of the three, ringkeeper forget wittgenstein and pair again"},
	} {
		other, err := newSession(c.id, nodeNames, "")
		if err != nil {
			t.Fatal(err)
		}
		text, err := other.announce("en05", 1500)
		if err != nil {
			t.Fatal(err)
		}
		a, frame, err := parseAnnounce(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := s.believe(a, frame); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
