package tools

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"

	"ringboot/rehearsal/sim"
)

const (
	caFile    = sim.EtcPVE + "/pve-root-ca.pem"
	caKeyFile = sim.EtcPVE + "/priv/pve-root-ca.key"
)

// makeAuthority makes the CA where there is none: the key and, a while later,
// the certificate, each only where its file is missing, as the real tool does.
// Two nodes that do it at once end with a certificate of another key.
func makeAuthority(m sim.Machine, work func()) {
	if _, err := m.ReadFile(caKeyFile); err != nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return
		}
		work()
		writeKeyPEM(m, caKeyFile, key)
	}
	if _, err := m.ReadFile(caFile); err == nil {
		return
	}
	key, err := authorityKey(m)
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
	work()
	_ = writePEM(m, caFile, "CERTIFICATE", der)
}

// issueCertificate makes pve-ssl.pem of the node from the CA in /etc/pve.
func issueCertificate(m sim.Machine, force bool) bool {
	dir := sim.EtcPVE + "/nodes/" + m.Name()
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
	writeKeyPEM(m, dir+"/pve-ssl.key", own)
	if err := writePEM(m, dir+"/pve-ssl.pem", "CERTIFICATE", der); err != nil {
		return false
	}
	_ = m.WriteDirect(dir+"/ssh_known_hosts", fmt.Appendf(nil, "%s ssh-rsa AAAAB3NzaC1yc2E\n", m.Name()))
	return true
}

func authority(m sim.Machine) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	cert, err := certificate(m, caFile)
	if err != nil {
		return nil, nil, err
	}
	key, err := authorityKey(m)
	return cert, key, err
}

func authorityKey(m sim.Machine) (*ecdsa.PrivateKey, error) {
	der, err := readPEM(m, caKeyFile)
	if err != nil {
		return nil, err
	}
	return x509.ParseECPrivateKey(der)
}

func certificate(m sim.Machine, file string) (*x509.Certificate, error) {
	der, err := readPEM(m, file)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func readPEM(m sim.Machine, file string) ([]byte, error) {
	text, err := m.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", file)
	}
	return block.Bytes, nil
}

func writePEM(m sim.Machine, file, kind string, der []byte) error {
	return m.WriteDirect(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeKeyPEM(m sim.Machine, file string, key *ecdsa.PrivateKey) {
	raw, _ := x509.MarshalECPrivateKey(key)
	_ = writePEM(m, file, "EC PRIVATE KEY", raw)
}

// fingerprint is the SHA-256 of a node's certificate as the API shows it.
func fingerprint(m sim.Machine, node string) string {
	der, err := readPEM(m, sim.EtcPVE+"/nodes/"+node+"/pve-ssl.pem")
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(der)), " ", ":")
}
