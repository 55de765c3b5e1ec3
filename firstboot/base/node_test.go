package base

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/nodetest"
)

const (
	hash        = "$y$j9T$abcdefghijkl$0123456789012345678901234567890123456789012"
	key1        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kellen"
	key2        = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB ansible"
	profileText = `version: 1
cluster: {name: principia, domain: principia.lan, mail: root@principia.lan, smarthost: 'mail.principia.lan:25'}
proxmox: {proxy: 'http://10.203.3.5:3142', mirror: 'http://10.203.3.5/proxmox'}
management: {prefix: 10.203.3.0/24, gateway: 10.203.3.1, dns: [10.203.3.1], ntp: [ntp.example.org, 2.pool.example.org, 192.0.2.123]}
ring: {prefix: 10.203.4.0/24}
nodes:
  - {name: frege, address: 10.203.3.11, subscription: pve2c-0123456789, root_disk: {serial: S0}, ports: [{driver: igc}]}
  - {name: russell, address: 10.203.3.12, root_disk: {serial: S1}, ports: [{driver: igc}]}
  - {name: wittgenstein, address: 10.203.3.13, root_disk: {serial: S2}, ports: [{driver: igc}]}
users:
  - {name: kellen, full_name: Administrator, sudo: password, password_hash: ` + hash + `, keys: ["` + key1 + `"]}
  - {name: ansible, sudo: nopasswd, keys: ["` + key2 + `"]}
`
)

// planned is the profile as it was read, once for all.
var planned = sync.OnceValues(func() (*profiles.Profile, error) { return profiles.Load("profile.yaml", []byte(profileText)) })

// bench is frege as the installer leaves it, and what the profile says.
type bench struct {
	*nodetest.Machine
	profile *profiles.Profile
	node    profiles.Node
}

// newBench makes the machine; change is what is another than usual.
func newBench(t *testing.T, change func(o *nodetest.Options, p *profiles.Profile, n *profiles.Node)) *bench {
	t.Helper()
	read, err := planned()
	if err != nil {
		t.Fatal(err)
	}
	p := *read
	p.Users = append([]profiles.User{}, p.Users...)
	node, _ := p.Node("frege")
	o := nodetest.Options{Uplink: "enp87s0", Address: "10.203.3.11/24", Gateway: "10.203.3.1", Online: true, Synced: true, Packages: []string{"openssh-server", "ifupdown2"}}
	if change != nil {
		change(&o, &p, &node)
	}
	m, err := nodetest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{m, &p, node}
}

func (b *bench) text(path string) string {
	text, _ := b.ReadFile(path)
	return string(text)
}

func (b *bench) put(t *testing.T, path, text string) {
	t.Helper()
	if err := b.Host().Files.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// part is one part of the step, as a fresh agent has it.
func (b *bench) part(t *testing.T, name string) step.Step {
	t.Helper()
	s, ok := NewBase(b.Host(), b.profile, b.node).Part(name)
	if !ok {
		t.Fatalf("there is no part %q", name)
	}
	return s
}

// converge looks and makes until there is nothing more to make, and tells what was
// announced at first and the last verdict.
func converge(t *testing.T, s step.Step) (announced []string, v step.Verdict) {
	t.Helper()
	for i := range 4 {
		var err error
		if v, err = s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			announced = changes(v)
		}
		if v.State != step.Todo {
			return announced, v
		}
		if err := s.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("what was made does not satisfy who looks: %s %q", v.Reason, changes(v))
	return nil, v
}

func changes(v step.Verdict) (out []string) {
	for _, c := range v.Changes {
		out = append(out, fmt.Sprintf("%s: %s -> %s", c.Object, c.Have, c.Want))
	}
	return out
}

// authority is a cluster's CA.
type authority struct {
	pem  []byte
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.pem, a.cert, a.key = a.sign(t, "ringboot test ca", true)
	return a
}

// sign makes a certificate of a day, by a itself where a has none yet.
func (a *authority) sign(t *testing.T, name string, ca bool) ([]byte, *x509.Certificate, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), BasicConstraintsValid: true}
	parent, by := a.cert, a.key
	if ca {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
		parent, by = template, private
	} else if !strings.HasPrefix(name, "only ") {
		template.DNSNames = []string{name}
	} else {
		template.Subject.CommonName = strings.TrimPrefix(name, "only ")
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), cert, private
}

// issue is a node's certificate and its key.
func (a *authority) issue(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	cert, _, private := a.sign(t, name, false)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// seed gives frege a profile, keys and the seed for them.
func seed(t *testing.T, h host.Host, a *authority, profile []byte, s NewSeed) {
	t.Helper()
	cert, key := a.issue(t, "frege")
	for path, content := range map[string][]byte{profiles.ProfileFile: profile, profiles.CAFile: a.pem, profiles.CertFile: cert, profiles.KeyFile: key} {
		if err := h.Files.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Write(h, false); err != nil {
		t.Fatal(err)
	}
}

// reseed changes the seed that lies there.
func (b *bench) reseed(t *testing.T, change func(*profiles.Seed)) {
	t.Helper()
	var s profiles.Seed
	if err := json.Unmarshal([]byte(b.text(profiles.SeedFile)), &s); err != nil {
		t.Fatal(err)
	}
	change(&s)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, profiles.SeedFile, string(text))
}
