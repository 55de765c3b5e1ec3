package imagebuilder

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"

	"ringboot/imagebuilder/keyring"
)

// peerKeys are the public keys of all nodes' certificates, as a seed carries
// them, so that nodes can check each other's records before they ever spoke.
func peerKeys(k *keyring.Keyring) (map[string]string, error) {
	out := map[string]string{}
	for node, n := range k.Nodes {
		block, _ := pem.Decode(n.Cert)
		if block == nil {
			return nil, fmt.Errorf("keyring: the certificate of %s is no PEM: restore it from a backup", node)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("keyring: the certificate of %s: %w", node, err)
		}
		key, ok := cert.PublicKey.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("keyring: the key of %s is %T, not Ed25519", node, cert.PublicKey)
		}
		out[node] = base64.RawURLEncoding.EncodeToString(key)
	}
	return out, nil
}

// issues are the numbers of the nodes' newest vouchers, where they are not the first.
func issues(k *keyring.Keyring) map[string]int {
	var out map[string]int
	for node, n := range k.Nodes {
		if n.Issue > 1 {
			if out == nil {
				out = map[string]int{}
			}
			out[node] = n.Issue
		}
	}
	return out
}
