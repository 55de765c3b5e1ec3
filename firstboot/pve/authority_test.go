package pve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"ringboot/firstboot/host"
)

// halvesOf makes a CA, as its certificate and its key.
func halvesOf(t *testing.T) (cert, key []byte) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Proxmox Virtual Environment"}, NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &own.PublicKey, own)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// Two halves of different CAs are no CA, and go together.
func TestHalvesOfACA(t *testing.T) {
	cert, key := halvesOf(t)
	_, other := halvesOf(t)
	for name, c := range map[string]struct {
		cert, key     []byte
		whole, misfit bool
	}{
		"none":             {},
		"the key alone":    {key: key},
		"the CA alone":     {cert: cert},
		"whole":            {cert: cert, key: key, whole: true},
		"of different CAs": {cert: cert, key: other, misfit: true},
		"half of the key":  {cert: cert, key: key[:len(key)/2], misfit: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := Local{Host: host.New(t.TempDir()), Name: "frege"}
			for path, content := range map[string][]byte{RootCA: c.cert, rootCAKey: c.key} {
				if content == nil {
					continue
				}
				if err := n.Host.Files.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if whole, misfit := n.Authority(); whole != c.whole || misfit != c.misfit {
				t.Errorf("whole %v, misfit %v", whole, misfit)
			}
			if err := n.DropAuthority(); err != nil {
				t.Fatal(err)
			}
			if whole, misfit := n.Authority(); whole || misfit {
				t.Error("it is still there")
			}
		})
	}
}
