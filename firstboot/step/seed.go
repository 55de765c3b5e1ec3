package step

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// seedVersion is the version of the seed file that this agent reads.
const seedVersion = 1

// oldest is a time before which no Ringboot existed: a clock that is earlier
// was never set.
var oldest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Own is what the builder gave this node, read and checked.
type Own struct {
	Seed    profiles.Seed
	Profile *profiles.Profile
	Node    profiles.Node
	Cert    *x509.Certificate
}

// LoadSeed reads and checks what the builder gave this node. Its error is one
// sentence that says what is wrong and what to do. A certificate that is out
// of its time is an error only if the clock can be believed.
func LoadSeed(files host.Files, now time.Time) (Own, error) {
	var own Own
	text, err := files.ReadFile(profiles.SeedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return own, fmt.Errorf("%s is missing: install this machine from an image of mkimage, or its ringboot-seed package", profiles.SeedFile)
	}
	if err != nil {
		return own, fmt.Errorf("%w: is the agent running as root?", err)
	}
	if err := json.Unmarshal(text, &own.Seed); err != nil {
		return own, fmt.Errorf("%s is damaged (%v): install the ringboot-seed package of this node again", profiles.SeedFile, err)
	}
	s := own.Seed
	switch {
	case s.Version != seedVersion:
		return own, fmt.Errorf("%s has version %d and this agent reads %d: install agent and seed from one image", profiles.SeedFile, s.Version, seedVersion)
	case s.Node == "" || s.ClusterID == "":
		return own, fmt.Errorf("%s names no node or no cluster: install the ringboot-seed package of this node again", profiles.SeedFile)
	}
	if err := own.loadProfile(files); err != nil {
		return own, err
	}
	return own, own.loadKeys(files, now)
}

func (own *Own) loadProfile(files host.Files) error {
	text, err := files.ReadFile(profiles.ProfileFile)
	if err != nil {
		return fmt.Errorf("%w: install the ringboot-seed package of this node again", err)
	}
	if own.Profile, err = profiles.Load(profiles.ProfileFile, text); err != nil {
		return fmt.Errorf("the profile of this node cannot be used: %w", err)
	}
	node, ok := own.Profile.Node(own.Seed.Node)
	if !ok {
		return fmt.Errorf("the seed is for node %q, which the profile does not have: install the ringboot-seed package of this node again", own.Seed.Node)
	}
	own.Node = node
	hashes, err := own.Profile.PlanHashes(node.Name)
	if err != nil {
		return err
	}
	if hashes.Cluster != own.Seed.Plan.Cluster || hashes.Node != own.Seed.Plan.Node {
		return fmt.Errorf("%s was changed after the seed was made: install the ringboot-seed package of this node again, or build new images", profiles.ProfileFile)
	}
	return nil
}

func (own *Own) loadKeys(files host.Files, now time.Time) error {
	var texts [3][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile, profiles.KeyFile} {
		text, err := files.ReadFile(path)
		if err != nil {
			return fmt.Errorf("%w: install the ringboot-seed package of this node again", err)
		}
		texts[i] = text
	}
	ca, err := certificate(profiles.CAFile, texts[0])
	if err != nil {
		return err
	}
	if own.Cert, err = certificate(profiles.CertFile, texts[1]); err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(texts[1], texts[2]); err != nil {
		return fmt.Errorf("%s and %s do not belong together (%v): install the ringboot-seed package of this node again", profiles.CertFile, profiles.KeyFile, err)
	}
	if id := profiles.ClusterID(ca.Raw); id != own.Seed.ClusterID {
		return fmt.Errorf("the seed is for cluster %s and its CA is that of cluster %s: a foreign seed; install the ringboot-seed package of this node again", own.Seed.ClusterID, id)
	}
	return own.checkCert(ca, now)
}

// checkCert verifies the certificate against the CA. Its time is looked at
// only where the clock can be believed: at first start it may be in 1970.
func (own *Own) checkCert(ca *x509.Certificate, now time.Time) error {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	at := now
	if now.Before(oldest) {
		at = own.Cert.NotBefore
	}
	_, err := own.Cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && at.After(own.Cert.NotAfter):
		return fmt.Errorf("the certificate of this node expired on %s and the clock says %s: build a new image with mkimage and install its ringboot-seed package, or set the clock",
			own.Cert.NotAfter.UTC().Format(time.DateOnly), at.UTC().Format(time.DateOnly))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate of this node is valid from %s and the clock says %s: set the clock with date -s or in the BIOS",
			own.Cert.NotBefore.UTC().Format(time.DateOnly), at.UTC().Format(time.DateOnly))
	case err != nil:
		return fmt.Errorf("the certificate of this node is not from its cluster's CA (%v): a foreign seed; install the ringboot-seed package of this node again", err)
	case !hasName(own.Cert, own.Seed.Node):
		return fmt.Errorf("the certificate is for %v and the seed for %s: install the ringboot-seed package of this node again", certNames(own.Cert), own.Seed.Node)
	}
	return nil
}

func certificate(path string, text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate: install the ringboot-seed package of this node again", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%v): install the ringboot-seed package of this node again", path, err)
	}
	return cert, nil
}

func certNames(c *x509.Certificate) []string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames
	}
	return []string{c.Subject.CommonName}
}

func hasName(c *x509.Certificate, node string) bool {
	for _, n := range certNames(c) {
		if n == node {
			return true
		}
	}
	return false
}
