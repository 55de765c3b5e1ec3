package standin

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
)

const (
	caFile    = pveDir + "/pve-root-ca.pem"
	caKeyFile = pveDir + "/priv/pve-root-ca.key"
)

// makeAuthority makes the node's own CA where there is none.
func makeAuthority(m Machine) {
	if _, err := m.ReadFile(caFile); err == nil {
		return
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return
	}
	now := m.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Proxmox Virtual Environment", Organization: []string{"PVE Cluster Manager CA"}},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return
	}
	raw, _ := x509.MarshalECPrivateKey(key)
	_ = m.WriteDirect(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	_ = m.WriteDirect(caKeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

// issueCertificate makes pve-ssl.pem of the node from the CA in /etc/pve.
func issueCertificate(m Machine, force bool) bool {
	dir := pveDir + "/nodes/" + m.Name()
	if _, err := m.ReadFile(dir + "/pve-ssl.pem"); err == nil && !force {
		return false
	}
	ca, key, err := authority(m)
	if err != nil {
		return false
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return false
	}
	now := m.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: m.Name()},
		NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(2, 0, 0), DNSNames: []string{m.Name()}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, a := range m.Addresses() {
		tmpl.IPAddresses = append(tmpl.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, &own.PublicKey, key)
	if err != nil {
		return false
	}
	raw, _ := x509.MarshalECPrivateKey(own)
	_ = m.WriteDirect(dir+"/pve-ssl.key", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
	if err := m.WriteDirect(dir+"/pve-ssl.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return false
	}
	_ = m.WriteDirect(dir+"/ssh_known_hosts", fmt.Appendf(nil, "%s ssh-rsa AAAAB3NzaC1yc2E\n", m.Name()))
	return true
}

func authority(m Machine) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certPEM, err := m.ReadFile(caFile)
	if err != nil {
		return nil, nil, err
	}
	keyPEM, err := m.ReadFile(caKeyFile)
	if err != nil {
		return nil, nil, err
	}
	cb, _ := pem.Decode(certPEM)
	kb, _ := pem.Decode(keyPEM)
	if cb == nil || kb == nil {
		return nil, nil, fmt.Errorf("%s or %s holds no PEM", caFile, caKeyFile)
	}
	cert, err := x509.ParseCertificate(cb.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(kb.Bytes)
	return cert, key, err
}

// fingerprint is the SHA-256 of a node's certificate as the API shows it.
func fingerprint(m Machine, node string) string {
	text, err := m.ReadFile(pveDir + "/nodes/" + node + "/pve-ssl.pem")
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	var parts []string
	for _, b := range sum {
		parts = append(parts, fmt.Sprintf("%02X", b))
	}
	return strings.Join(parts, ":")
}

// dump is what sqlite3 prints of a stand-in database: its rows as one statement.
func dump(raw []byte) []byte {
	return []byte("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, data BLOB);\nINSERT INTO tree VALUES(0,'" +
		base64.StdEncoding.EncodeToString(raw) + "');\nCOMMIT;\n")
}

// unpackedEquals tells whether a compressed dump holds a database.
func unpackedEquals(packed, raw []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return false
	}
	text, err := io.ReadAll(z)
	return err == nil && bytes.Equal(text, dump(raw))
}
