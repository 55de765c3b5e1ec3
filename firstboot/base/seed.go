package base

import (
	"crypto/ed25519"
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
// sentence that says what is wrong and what to do. No clock is asked: what the
// days of the certificate mean is ClockRisk's to say.
func LoadSeed(files host.Files) (Own, error) {
	var own Own
	files, err := placed(files)
	if err != nil {
		return own, err
	}
	text, err := files.ReadFile(profiles.SeedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return own, fmt.Errorf("%s is missing: install this machine from an image of mkimage, or its ringboot-seed package", profiles.SeedFile)
	}
	if err != nil {
		return own, fmt.Errorf("%w: is the agent running as root?", err)
	}
	if err := json.Unmarshal(text, &own.Seed); err != nil {
		return own, fmt.Errorf("%s is damaged (%w): install the ringboot-seed package of this node again", profiles.SeedFile, err)
	}
	s := own.Seed
	switch {
	case s.Version != profiles.SeedVersion:
		return own, fmt.Errorf("%s has version %d and this agent reads %d: install agent and seed from one image", profiles.SeedFile, s.Version, profiles.SeedVersion)
	case s.Node == "" || s.ClusterID == "":
		return own, fmt.Errorf("%s names no node or no cluster: install the ringboot-seed package of this node again", profiles.SeedFile)
	}
	if err := own.loadProfile(files); err != nil {
		return own, err
	}
	return own, own.loadKeys(files)
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

// loadKeys reads the voucher. Its key is gone once the nodes are bound to keys
// of their own; without either nothing can be proven.
func (own *Own) loadKeys(files host.Files) error {
	var texts [2][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile} {
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
	key, err := files.ReadFile(profiles.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist) && host.Exists(files, profiles.OwnFile):
	case err != nil:
		return fmt.Errorf("%w: install the ringboot-seed package of this node again", err)
	default:
		if _, err := tls.X509KeyPair(texts[1], key); err != nil {
			return fmt.Errorf("%s and %s do not belong together (%w): install the ringboot-seed package of this node again", profiles.CertFile, profiles.KeyFile, err)
		}
	}
	if id := profiles.ClusterID(ca.Raw); id != own.Seed.ClusterID {
		return fmt.Errorf("the seed is for cluster %s and its CA is that of cluster %s: a foreign seed; install the ringboot-seed package of this node again", own.Seed.ClusterID, id)
	}
	key25519, _ := ca.PublicKey.(ed25519.PublicKey)
	if err := own.Seed.VerifyGrown(own.Profile, key25519); err != nil {
		return err
	}
	return own.checkCert(ca)
}

// checkCert verifies the certificate against the CA, as of the day on which it
// was made: a clock in 1970 or in 2060 must not end the trip.
func (own *Own) checkCert(ca *x509.Certificate) error {
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	_, err := own.Cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: own.Cert.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	switch {
	case err != nil:
		return fmt.Errorf("the certificate of this node is not from its cluster's CA (%w): a foreign seed; install the ringboot-seed package of this node again", err)
	case !hasName(own.Cert, own.Seed.Node):
		return fmt.Errorf("the certificate is for %v and the seed for %s: install the ringboot-seed package of this node again", certNames(own.Cert), own.Seed.Node)
	}
	return nil
}

// ClockRisk says what is odd about the clock, or "". The trip goes on: the days
// of a voucher prove nothing, and time comes from time servers or the founder.
func (own *Own) ClockRisk(now time.Time) string {
	const then = "time synchronisation must set it before the cluster is formed"
	day := now.UTC().Format(time.DateOnly)
	switch {
	case now.Before(oldest):
		return fmt.Sprintf("the clock says %s: it was never set, look at the BIOS battery; %s", day, then)
	case now.Before(own.Cert.NotBefore):
		return fmt.Sprintf("the clock says %s, before this node's image was made (%s): it is wrong; %s", day, own.Cert.NotBefore.UTC().Format(time.DateOnly), then)
	case now.After(own.Cert.NotAfter):
		return fmt.Sprintf("the clock says %s, after the end of the certificate of this node's image (%s): nothing rests on that day, but if the clock is wrong, %s",
			day, own.Cert.NotAfter.UTC().Format(time.DateOnly), then)
	}
	return ""
}

func certificate(path string, text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate: install the ringboot-seed package of this node again", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): install the ringboot-seed package of this node again", path, err)
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
