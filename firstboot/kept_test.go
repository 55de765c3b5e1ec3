package firstboot

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/seal/swtpm"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/disk"
	"ringboot/rehearsal/need"
)

// tpmRoot is a root in which there is nothing but a TPM, with the state that lies in a directory.
func tpmRoot(t *testing.T, state string) (root string, off func()) {
	t.Helper()
	need.Tools(t, "swtpm")
	root, err := os.MkdirTemp("", "tpm") // the name of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if off, err = swtpm.Start(root, state); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(off)
	return root, off
}

// newborn is a node of a cluster, before its first start.
type newborn struct {
	*Parts
	pki *testpki.PKI
}

// unmade is a node before its first start, whose TPM is below another root.
func unmade(t *testing.T, tpm string) newborn {
	t.Helper()
	pki, err := testpki.New()
	if err != nil {
		t.Fatal(err)
	}
	p, _ := assembledOf(t, pki)
	if err := p.Host.Files.Remove(profiles.OwnFile); err != nil {
		t.Fatal(err)
	}
	p.root, p.identity, p.book = tpm, nil, nil
	return newborn{p, pki}
}

// agree writes down to which keys the nodes are bound, as the gate does for all.
func (n newborn) agree(t *testing.T) {
	t.Helper()
	all := []*trust.Identity{n.identity}
	for _, other := range n.Profile.Others(n.Node.Name) {
		cert, key, err := n.pki.Issue(other.Name)
		if err != nil {
			t.Fatal(err)
		}
		voucher, err := trust.ParseIdentity(n.pki.CA, cert, key)
		if err != nil {
			t.Fatal(err)
		}
		own, err := voucher.Enrol()
		if err != nil {
			t.Fatal(err)
		}
		id, err := own.Identity()
		if err != nil {
			t.Fatal(err)
		}
		if err := n.book.Judge(id.Enrolment(), id.Key.Public().(ed25519.PublicKey), id.Name); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	set, words := n.book.Sees(), map[string][]byte{}
	for _, id := range all {
		words[id.Name] = set.Sign(id.Key)
	}
	if err := n.book.Agree(set, words); err != nil {
		t.Fatal(err)
	}
}

// starts has the agent of a node start: who is it?
func starts(t *testing.T, p *Parts) (*trust.Identity, error) {
	t.Helper()
	id, book, err := identityOf(p)
	p.identity, p.book = id, book
	return id, err
}

func public(id *trust.Identity) string { return string(id.Key.Public().(ed25519.PublicKey)) }

func ownText(t *testing.T, p *Parts) []byte {
	t.Helper()
	text, err := p.Host.Files.ReadFile(profiles.OwnFile)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Where there is a TPM, the node's key lies on its disk sealed, and counts after
// each start. On another machine, after the TPM was cleared, where there is none,
// and where it hangs, nothing is made anew and nothing is written.
func TestTheOwnKeyIsSealedToItsMachine(t *testing.T) {
	state := t.TempDir()
	root, off := tpmRoot(t, state)
	p := unmade(t, root)
	first, err := starts(t, p.Parts)
	if err != nil {
		t.Fatal(err)
	}
	before := ownText(t, p.Parts)
	if p.place != "sealed to its TPM" || bytes.Contains(before, []byte(`"key"`)) || bytes.Contains(before, first.Key.Seed()) {
		t.Fatalf("the key is %s: %s", p.place, before)
	}
	off()
	p.root, off = tpmRoot(t, state) // the machine was off
	if id, err := starts(t, p.Parts); err != nil || public(id) != public(first) {
		t.Fatalf("another key after a start: %v", err)
	}
	off()

	elsewhere, _ := tpmRoot(t, t.TempDir())
	for name, c := range map[string]struct{ root, want string }{
		"another machine's, or cleared": {elsewhere, "/var/lib/ringboot/own.json is sealed to another TPM: this is another machine's disk or backup, or the TPM was cleared; put the disk back into its machine, or on another member run sudo firstboot admit frege and install this machine anew from a new stick"},
		"switched off":                  {t.TempDir(), "/var/lib/ringboot/own.json is sealed to a TPM and this machine shows none: switch it on in the firmware's setup; if it is gone, on another member run sudo firstboot admit frege and install this machine anew from a new stick"},
		"refuses":                       {refusing(t), "/var/lib/ringboot/own.json is sealed to the TPM of this machine, which does not open it ("},
	} {
		p.root = c.root
		if _, err := starts(t, p.Parts); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if !bytes.Equal(ownText(t, p.Parts), before) {
			t.Errorf("%s: the file was written", name)
		}
	}
}

// refusing is a root with a TPM that ends each talk.
func refusing(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, "dev/tpmrm0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return root
}

// A key without a TPM lies in a file and says why; a renewal seals it once there
// is one, and never takes a sealed key out again.
func TestARenewalSealsAndNeverUnseals(t *testing.T) {
	p := unmade(t, t.TempDir())
	if _, err := starts(t, p.Parts); err != nil {
		t.Fatal(err)
	}
	if want := "in /var/lib/ringboot/own.json for root alone: the machine has no TPM 2.0"; p.place != want {
		t.Errorf("the key is %s, want %s", p.place, want)
	}
	p.agree(t)
	root, off := tpmRoot(t, t.TempDir())
	p.root = root
	if _, err := p.renew(); err != nil {
		t.Fatal(err)
	}
	sealed, err := starts(t, p.Parts)
	if err != nil || p.place != "sealed to its TPM" {
		t.Fatalf("the key is %s, %v", p.place, err)
	}
	again, err := p.renew()
	if err != nil {
		t.Fatal(err)
	}
	id, err := starts(t, p.Parts)
	if err != nil || public(id) == public(sealed) || p.bound("frege") != again {
		t.Fatalf("the key after a second renewal: %v", err)
	}
	before := ownText(t, p.Parts)
	off()
	if _, err := p.renew(); err == nil || !strings.Contains(err.Error(), "sealed to a TPM and this machine shows none") {
		t.Errorf("a renewal without the TPM: %v", err)
	}
	if p.bound("frege") != again || !bytes.Equal(ownText(t, p.Parts), before) {
		t.Error("the refused renewal changed something")
	}
}

// inMemory copies what lies below a directory to a disk.
func inMemory(t *testing.T, from host.Files, dir string, to *disk.Disk) *disk.Disk {
	t.Helper()
	list, err := from.ReadDir(dir)
	for _, e := range list {
		at := filepath.Join(dir, e.Name())
		if e.IsDir() {
			inMemory(t, from, at, to)
			continue
		}
		text, e := from.ReadFile(at)
		err = errors.Join(err, e, to.WriteFile(at, text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// A power cut at every write of the first start and of a renewal, in each way in
// which a disk loses something: the next start has a key that the TPM opens, and
// which is the one that counts.
func TestPowerCutsWhileAKeyIsSealed(t *testing.T) {
	need.Slow(t)
	tpm, _ := tpmRoot(t, t.TempDir())
	cuts := 0
	for _, renewal := range []bool{false, true} {
		for point, ended := 1, false; !ended; point++ {
			for _, cut := range crash.Cuts(point) {
				n := unmade(t, tpm)
				if renewal {
					if _, err := starts(t, n.Parts); err != nil {
						t.Fatal(err)
					}
					n.agree(t)
				}
				m := crash.New(inMemory(t, n.Host.Files, "/", disk.New(n.Host.Clock.Now)), nil, n.Host.Clock)
				n.Host = m.Host()
				act := func() error { _, err := starts(t, n.Parts); return err }
				if renewal {
					if err := act(); err != nil {
						t.Fatal(err)
					}
					act = func() error { _, err := n.renew(); return err }
				}
				m.Arm(cut)
				if err := act(); !m.Dead() {
					ended = true
					if err != nil {
						t.Errorf("renewal %v, without a cut: %v", renewal, err)
					}
					break
				}
				cuts++
				m.Reboot()
				n.cameBack(t, fmt.Sprintf("renewal %v, %s", renewal, cut), renewal)
			}
		}
	}
	if cuts < 40 {
		t.Errorf("%d cuts: nothing was written?", cuts)
	}
	need.Figure("trust.seal_cuts", cuts, "count")
}

// cameBack starts a node after a cut, and looks at its key.
func (n newborn) cameBack(t *testing.T, what string, bound bool) {
	t.Helper()
	n.identity, n.book = nil, nil
	id, err := starts(t, n.Parts)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if key, ok := n.book.Bound(n.Node.Name); bound && (!ok || !key.Equal(id.Key.Public())) {
		t.Errorf("%s: the node goes by a key that does not count", what)
	}
	if n.place != sealedHere || host.Exists(n.Host.Files, nextOwnFile) {
		t.Errorf("%s: the key is %s", what, n.place)
	}
}
