package bindings

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"io/fs"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"
)

var three = []string{"frege", "russell", "wittgenstein"}

// office is a cluster's CA in a test.
type office struct {
	t   testing.TB
	ca  *x509.Certificate
	key ed25519.PrivateKey
}

func newOffice(t testing.TB) *office {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	o := &office{t: t, key: private}
	o.ca = o.sign(template, template, public, private)
	return o
}

func (o *office) sign(template, parent *x509.Certificate, public ed25519.PublicKey, by ed25519.PrivateKey) *x509.Certificate {
	o.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		o.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		o.t.Fatal(err)
	}
	return cert
}

// stick is a voucher with its key: what a thief of a stick has.
type stick struct {
	o       *office
	voucher *x509.Certificate
	key     ed25519.PrivateKey
}

func (o *office) stick(node string, number int) stick {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	return stick{o, o.sign(&x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		Subject: pkix.Name{CommonName: node, SerialNumber: strconv.Itoa(number)}, DNSNames: []string{node}}, o.ca, public, o.key), private}
}

// machine is a node with a key of its own.
type machine struct {
	enrolment Enrolment
	key       ed25519.PrivateKey
}

func (m machine) public() ed25519.PublicKey { return m.key.Public().(ed25519.PublicKey) }

func (s stick) machine() machine {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	own := s.o.sign(&x509.Certificate{SerialNumber: big.NewInt(3), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		Subject: pkix.Name{CommonName: s.voucher.Subject.CommonName, OrganizationalUnit: []string{"own"}}}, s.voucher, public, s.key)
	return machine{Enrolment{own.Raw, s.voucher.Raw}, private}
}

// disk is a node's disk; a cut makes the writes fail from then on.
type disk struct {
	Memory
	left int // writes that still succeed; negative: all
}

func (d *disk) WriteFile(p string, text []byte, mode fs.FileMode) error {
	if d.left == 0 {
		return fs.ErrInvalid
	}
	d.left--
	return d.Memory.WriteFile(p, text, mode)
}

func (d *disk) Remove(p string) error {
	if d.left == 0 {
		return fs.ErrInvalid
	}
	d.left--
	return d.Memory.Remove(p)
}

// site is three books of one cluster.
type site struct {
	*office
	clock    time.Time
	disks    map[string]*disk
	machines map[string]machine
	books    map[string]*Book
}

func newSite(t testing.TB) *site {
	s := &site{office: newOffice(t), clock: time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC), disks: map[string]*disk{}, machines: map[string]machine{}, books: map[string]*Book{}}
	for _, n := range three {
		s.disks[n] = &disk{left: -1}
		s.machines[n] = s.stick(n, 1).machine()
		s.start(n)
	}
	return s
}

// start is an agent's start: the book is what lies on the disk.
func (s *site) start(node string) {
	s.t.Helper()
	b, err := Open(Options{Files: s.disks[node], CA: s.ca, Nodes: three, Self: node, Now: func() time.Time { return s.clock }})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := b.Show(s.machines[node].enrolment); err != nil {
		s.t.Fatal(err)
	}
	s.books[node] = b
}

// agree is the gate: all see all, sign, and write.
func (s *site) agree() {
	s.t.Helper()
	for _, n := range three {
		for _, o := range three {
			m := s.machines[o]
			if err := s.books[n].Judge(m.enrolment, m.public(), o); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	set, words := s.books["frege"].Sees(), map[string][]byte{}
	for n, m := range s.machines {
		words[n] = set.Sign(m.key)
	}
	for _, n := range three {
		if err := s.books[n].Agree(set, words); err != nil {
			s.t.Fatal(err)
		}
	}
}

// talk lets every node hear of what every other one has.
func (s *site) talk() {
	for range three {
		for _, n := range three {
			for _, o := range three {
				if d, ok := s.books[o].Document(); ok {
					s.books[n].Adopt(d) //nolint:errcheck // what is not sound is left out
				}
			}
		}
	}
}

func (s *site) judge(on string, m machine, node string) string {
	if err := s.books[on].Judge(m.enrolment, m.public(), node); err != nil {
		return err.Error()
	}
	return ""
}

func (s *site) same() {
	s.t.Helper()
	for _, n := range three {
		if got, want := s.books[n].Hash(), s.books["frege"].Hash(); got != want || got == "" {
			s.t.Errorf("%s has the bindings %q, frege %q", n, got, want)
		}
	}
}

// Who has a stick has nothing once its node is bound.
func TestAUsedStickIsWorthNothing(t *testing.T) {
	s := newSite(t)
	s.agree()
	s.same()
	thief := s.stick("russell", 1)
	thief.voucher, thief.key = s.thief("russell")
	got := s.judge("frege", thief.machine(), "russell")
	if !strings.Contains(got, "enrolled from a stick that was used or copied (voucher 1)") {
		t.Errorf("a copied stick: %q", got)
	}
	if got := s.judge("frege", s.machines["russell"], "russell"); got != "" {
		t.Errorf("russell itself: %s", got)
	}
	s.start("frege") // a restart forgets nothing
	if got := s.judge("frege", thief.machine(), "russell"); got == "" {
		t.Error("after a restart a copied stick counts")
	}
	if _, err := s.books["frege"].Adopt(Document{Version: 1}); err == nil {
		t.Error("an empty document was taken over")
	}
}

// thief returns another stick of the same issue: what a copy is.
func (s *site) thief(node string) (*x509.Certificate, ed25519.PrivateKey) {
	c := s.stick(node, 1)
	return c.voucher, c.key
}

func TestTwoMachinesOfOneNameAreNotBound(t *testing.T) {
	s := newSite(t)
	other := s.stick("russell", 1).machine()
	if got := s.judge("frege", s.machines["russell"], "russell"); got != "" {
		t.Fatal(got)
	}
	for range 2 {
		if got := s.judge("frege", other, "russell"); !strings.Contains(got, "two machines say that they are russell") {
			t.Errorf("the second: %q", got)
		}
		if got := s.judge("frege", s.machines["russell"], "russell"); !strings.Contains(got, "two machines say that they are russell") {
			t.Errorf("the first, beside it: %q", got)
		}
	}
	s.clock = s.clock.Add(2 * time.Minute)
	if got := s.judge("frege", s.machines["russell"], "russell"); got != "" {
		t.Errorf("when the other is gone: %s", got)
	}
	newer := s.stick("russell", 2).machine()
	if got := s.judge("frege", newer, "russell"); got != "" {
		t.Errorf("a newer voucher: %s", got)
	}
	if got := s.judge("frege", s.machines["russell"], "russell"); !strings.Contains(got, "is not the newest") {
		t.Errorf("the older one then: %q", got)
	}
}

func TestAdmissionIsForOneMachineOnceAndNotForLong(t *testing.T) {
	s := newSite(t)
	s.agree()
	fresh, second := s.stick("russell", 2).machine(), s.stick("russell", 2).machine()
	if got := s.judge("frege", fresh, "russell"); !strings.Contains(got, "sudo firstboot admit russell "+Fingerprint(fresh.public())) {
		t.Errorf("before it is admitted: %q", got)
	}
	if _, waits, err := s.books["frege"].Admit("russell", Fingerprint(fresh.public())); err != nil || waits != Fingerprint(fresh.public()) {
		t.Fatal(waits, err)
	}
	if got := s.judge("frege", second, "russell"); got == "" {
		t.Error("another machine than the one that was named is let in")
	}
	if got := s.judge("frege", s.stick("wittgenstein", 2).machine(), "wittgenstein"); got == "" {
		t.Error("a consent for russell lets wittgenstein in")
	}
	s.clock = s.clock.Add(AdmitFor + time.Second)
	if got := s.judge("frege", fresh, "russell"); got == "" {
		t.Error("a consent holds for longer than it says")
	}
	if _, _, err := s.books["frege"].Admit("russell", ""); err != nil {
		t.Fatal(err)
	}
	if got := s.judge("frege", fresh, "russell"); got != "" {
		t.Fatal(got)
	}
	if fp, err := s.books["frege"].Take("russell", s.machines["frege"].key); err != nil || fp != Fingerprint(fresh.public()) {
		t.Fatal(fp, err)
	}
	s.talk()
	s.same()
	if got := s.judge("wittgenstein", fresh, "russell"); got != "" {
		t.Errorf("the others: %s", got)
	}
	for who, m := range map[string]machine{"the old machine": s.machines["russell"], "a second new one": second} {
		if got := s.judge("wittgenstein", m, "russell"); got == "" {
			t.Errorf("%s is still let in", who)
		}
	}
	// Within the half hour, and from a stick that is newer still.
	if got := s.judge("frege", s.stick("russell", 3).machine(), "russell"); got == "" {
		t.Error("a consent that was used up lets another machine in")
	}
}

func TestRevocationReachesAllAndHoldsUntilANewerVoucher(t *testing.T) {
	s := newSite(t)
	s.agree()
	if _, err := s.books["frege"].Revoke("frege", s.machines["frege"].key); err == nil {
		t.Error("a node revoked itself")
	}
	if node, err := s.books["frege"].Revoke(Fingerprint(s.machines["russell"].public()), s.machines["frege"].key); err != nil || node != "russell" {
		t.Fatal(node, err)
	}
	// What the revoked key signs afterwards counts nowhere, also not where the
	// revocation arrives later.
	d, _ := s.books["frege"].Document()
	if _, err := s.books["wittgenstein"].Adopt(d); err != nil {
		t.Fatal(err)
	}
	if _, err := s.books["russell"].Revoke("wittgenstein", s.machines["russell"].key); err != nil {
		t.Fatal(err)
	}
	if d, ok := s.books["russell"].Document(); ok {
		for _, n := range []string{"frege", "wittgenstein"} {
			if _, err := s.books[n].Adopt(d); err != nil {
				t.Error(err)
			}
			if _, ok := s.books[n].Bound("wittgenstein"); !ok {
				t.Errorf("%s took over what a revoked key signed", n)
			}
			if _, ok := s.books[n].Bound("russell"); ok {
				t.Errorf("%s still takes orders of a revoked key", n)
			}
		}
	}
	if got := s.judge("wittgenstein", s.machines["russell"], "russell"); !strings.Contains(got, "was revoked") {
		t.Errorf("a revoked key: %q", got)
	}
	fresh := s.stick("russell", 2).machine()
	s.books["frege"].Admit("russell", "") //nolint:errcheck // judged below
	if got := s.judge("frege", fresh, "russell"); got != "" {
		t.Fatal(got)
	}
	if _, err := s.books["frege"].Take("russell", s.machines["frege"].key); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.books["frege"].Bound("russell"); !ok {
		t.Error("a new machine is not bound after a revocation")
	}
}

func TestRenewalIsTheNodesOwn(t *testing.T) {
	s := newSite(t)
	s.agree()
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	if err := s.books["russell"].Renew(public, s.machines["russell"].key); err != nil {
		t.Fatal(err)
	}
	s.talk()
	s.same()
	if key, ok := s.books["frege"].Bound("russell"); !ok || !key.Equal(public) {
		t.Error("the renewed key is not the bound one")
	}
	if err := s.books["russell"].Renew(public, s.machines["russell"].key); err == nil {
		t.Error("the old key renewed once more")
	}
	if err := s.books["russell"].Renew(public, private); err != nil {
		t.Error(err)
	}
	if err := s.books["frege"].Renew(public, s.machines["russell"].key); err == nil {
		t.Error("frege was renewed with a key of russell")
	}
}
