package keyring

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

func open(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Open(t.Context(), dir, Want{Profile: profiles.Default(), SSH: true})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// template is a keyring that was made once: a hash takes long under the race detector.
var template = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ringboot-keyring-")
	if err != nil {
		return "", err
	}
	_, err = Open(context.Background(), dir, Want{Profile: profiles.Default(), SSH: true})
	return dir, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := template(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// filled returns a directory with a keyring in it.
func filled(t *testing.T) string {
	t.Helper()
	from, err := template()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "philosophers")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAKeyringStaysAsItIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "philosophers")
	first := open(t, dir)
	if len(first.Made) == 0 {
		t.Error("a new keyring says of nothing that it was made")
	}
	second := open(t, dir)
	if len(second.Made) != 0 {
		t.Errorf("the second run made %v", second.Made)
	}
	second.Made = first.Made
	if diff := cmp.Diff(first, second, cmp.AllowUnexported(Keyring{})); diff != "" {
		t.Errorf("the second run differs:\n%s", diff)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entry, err := d.Info()
		if err == nil && entry.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, entry.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodesAndOperatorAreTold(t *testing.T) {
	k := open(t, filled(t))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(k.CA) {
		t.Fatal("no CA")
	}
	verify := func(cert, key []byte, usage x509.ExtKeyUsage) *x509.Certificate {
		t.Helper()
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("%s: %v", pair.Leaf.Subject, err)
		}
		return pair.Leaf
	}
	frege := verify(k.Nodes["frege"].Cert, k.Nodes["frege"].Key, x509.ExtKeyUsageServerAuth)
	verify(k.Nodes["frege"].Cert, k.Nodes["frege"].Key, x509.ExtKeyUsageClientAuth)
	for _, name := range []string{"frege", "frege.home.arpa", "10.203.3.11", "10.203.4.11"} {
		if err := frege.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if err := frege.VerifyHostname("russell"); err == nil {
		t.Error("frege's certificate is good for russell")
	}
	if frege.Subject.CommonName != "frege" || len(frege.Subject.OrganizationalUnit) != 0 {
		t.Errorf("frege's certificate is of %s", frege.Subject)
	}
	operator := verify(k.OperatorCert, k.OperatorKey, x509.ExtKeyUsageClientAuth)
	if operator.Subject.OrganizationalUnit[0] != "operator" {
		t.Errorf("the operator's certificate is of %s", operator.Subject)
	}
	if !frege.NotBefore.Before(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("certificates are valid only from %s: a node whose clock is behind would refuse them", frege.NotBefore)
	}
}

func TestANewAddressMakesANewCertificateOfTheSameKey(t *testing.T) {
	dir := filled(t)
	before := open(t, dir)
	p := profiles.Default()
	p.Nodes[0].Address = p.Nodes[0].Address.Next().Next().Next().Next()
	after, err := Open(t.Context(), dir, Want{Profile: p})
	if err != nil {
		t.Fatal(err)
	}
	if string(before.Nodes["frege"].Key) != string(after.Nodes["frege"].Key) {
		t.Error("the key changed")
	}
	block, _ := pem.Decode(after.Nodes["frege"].Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.VerifyHostname("10.203.3.15"); err != nil {
		t.Error(err)
	}
	if string(before.Nodes["russell"].Cert) != string(after.Nodes["russell"].Cert) {
		t.Error("russell's certificate changed with frege's address")
	}
	if string(before.CADER) != string(after.CADER) {
		t.Error("the CA changed")
	}
}

func TestDebianTakesTheHashes(t *testing.T) {
	need.Tools(t, "perl")
	k := open(t, filled(t))
	root, kellen := k.Nodes["frege"], k.Passwords["kellen"]
	for _, p := range []Password{{root.RootPassword, root.RootHash}, kellen} {
		if !strings.HasPrefix(p.Hash, "$y$j9T$") || len(p.Clear) != 23 {
			t.Fatalf("hash %q of a password of %d letters", p.Hash, len(p.Clear))
		}
		out, err := exec.Command("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", p.Clear, p.Hash).Output()
		if err != nil || string(out) != p.Hash {
			t.Errorf("crypt(3) gives %q, %v; want %q", out, err, p.Hash)
		}
		wrong, err := exec.Command("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", "wrong", p.Hash).Output()
		if err != nil || string(wrong) == p.Hash {
			t.Errorf("crypt(3) takes a wrong password: %q, %v", wrong, err)
		}
	}
	if root.RootPassword == k.Nodes["russell"].RootPassword {
		t.Error("two nodes share a password")
	}
	if _, there := k.Passwords["ansible"]; there {
		t.Error("ansible, who needs no password, has one")
	}
}

func TestSSHKeysOnlyWhereWanted(t *testing.T) {
	dir := filled(t)
	for _, name := range []string{"id_ed25519", "id_ed25519.pub"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	k, err := Open(t.Context(), dir, Want{Profile: profiles.Default()})
	if err != nil || k.SSHPublic != "" {
		t.Fatalf("unwanted key %q, %v", k.SSHPublic, err)
	}
	k = open(t, dir)
	public, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(k.SSHPublic))
	if err != nil || comment != "ringboot-philosophers" {
		t.Fatalf("public key %q: %q, %v", k.SSHPublic, comment, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "id_ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := ssh.ParsePrivateKey(text)
	if err != nil || string(private.PublicKey().Marshal()) != string(public.Marshal()) {
		t.Errorf("private and public key are not a pair: %v", err)
	}
}

func TestADamagedKeyIsNeverReplaced(t *testing.T) {
	for name, want := range map[string]string{
		"ca.key":         "ca.key holds no key in PEM form: restore it from a backup, or move the keyring away to begin a new cluster",
		"node-frege.key": "node-frege.key holds no key in PEM form",
		"passwords.json": "passwords.json is damaged or of a newer mkimage",
	} {
		dir := filled(t)
		if err := os.WriteFile(filepath.Join(dir, name), []byte("rust"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), dir, Want{Profile: profiles.Default()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if text, _ := os.ReadFile(filepath.Join(dir, name)); string(text) != "rust" {
			t.Errorf("%s was replaced", name)
		}
	}
}

func TestRunsWaitForEachOther(t *testing.T) {
	dir := t.TempDir()
	const runs = 6
	cas := make([]string, runs)
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			k, err := Open(t.Context(), dir, Want{Profile: profiles.Default(), SSH: true})
			if err != nil {
				t.Error(err)
				return
			}
			cas[i] = string(k.CA) + string(k.Nodes["frege"].Key) + k.SSHPublic + k.Nodes["russell"].RootHash
		})
	}
	wg.Wait()
	for i := range runs {
		if cas[i] != cas[0] {
			t.Fatal("runs at the same time made different keys")
		}
	}
	unlock, err := lock(t.Context(), filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupted"))
	if _, err := Open(ctx, dir, Want{Profile: profiles.Default()}); err == nil || !strings.HasSuffix(err.Error(), "another mkimage holds it: interrupted") {
		t.Errorf("a run that waits and is interrupted: %v", err)
	}
}

func TestDir(t *testing.T) {
	env := map[string]string{"HOME": "/home/k"}
	got, err := Dir("philosophers", func(k string) string { return env[k] })
	if err != nil || !strings.HasPrefix(got, "/home/k/") || filepath.Base(got) != "philosophers" {
		t.Errorf("Dir = %s, %v", got, err)
	}
	env["XDG_DATA_HOME"] = "/data"
	if got, _ := Dir("philosophers", func(k string) string { return env[k] }); got != filepath.FromSlash("/data/ringboot/philosophers") {
		t.Errorf("Dir = %s", got)
	}
	if _, err := Dir("x", func(string) string { return "" }); err == nil {
		t.Error("no home is no error")
	}
}

// A voucher that is issued anew has another key and a larger number; the others
// stay as they were, and so does the next image of the same keyring.
func TestReissue(t *testing.T) {
	dir := t.TempDir() + "/ring"
	p := profiles.Default()
	open := func() *Keyring {
		t.Helper()
		k, err := Open(t.Context(), dir, Want{Profile: p})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	number := func(k *Keyring, node string) string {
		block, _ := pem.Decode(k.Nodes[node].Cert)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert.Subject.SerialNumber
	}
	before := open()
	if n := number(before, "russell"); n != "" || before.Nodes["russell"].Issue != 1 {
		t.Errorf("the first voucher has the number %q, issue %d", n, before.Nodes["russell"].Issue)
	}
	for want := 2; want < 4; want++ {
		n, err := Reissue(t.Context(), dir, "russell")
		if err != nil || n != want {
			t.Fatal(n, err)
		}
		after := open()
		if number(after, "russell") != strconv.Itoa(want) || bytes.Equal(after.Nodes["russell"].Key, before.Nodes["russell"].Key) {
			t.Errorf("issue %d: number %q, the same key %v", want, number(after, "russell"), bytes.Equal(after.Nodes["russell"].Key, before.Nodes["russell"].Key))
		}
		if !bytes.Equal(after.Nodes["frege"].Cert, before.Nodes["frege"].Cert) || !bytes.Equal(open().Nodes["russell"].Cert, after.Nodes["russell"].Cert) {
			t.Error("another voucher changed, or the same keyring gives another one")
		}
		before = after
	}
}

// A directory that another user can exchange is no keyring, also for root.
func TestAKeyringOfAnotherUserIsRefused(t *testing.T) {
	need.Root(t)
	dir := t.TempDir() + "/ring"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	want := "keyring: " + dir + " belongs to the user 65534: run mkimage as that user, or make the directory your own with chown -R"
	if _, err := Open(t.Context(), dir, Want{Profile: profiles.Default()}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("something was written: %v %v", list, err)
	}
}
