package ring

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

type event = trust.Event

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

func testConfig(i int) Config {
	cfg := Config{Node: nodeNames[i], Addr: ringAddr(i), Order: nodeNames, Transport: profiles.TransportEthernet, MTU: 65520,
		Ports: [Ports]profiles.RingPort{{Name: "en05", Interface: "en05"}, {Name: "en06", Interface: "en06"}},
		// A test does not wait two seconds for a link to be trusted again.
		Timing: Timing{Return: 300 * time.Millisecond, Flap: time.Second}}
	for j, n := range nodeNames {
		if j != i {
			cfg.Peers = append(cfg.Peers, Peer{n, ringAddr(j)})
		}
	}
	return cfg
}
