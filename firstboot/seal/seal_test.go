package seal

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"ringboot/firstboot/seal/swtpm"
	"ringboot/rehearsal/need"
)

// secret is what is sealed here.
var secret = []byte("the seed of a key of Ed25519, 32.")

// machine is a root with a TPM that keeps its state in a directory.
func machine(t *testing.T, state string) (TPM, func()) {
	t.Helper()
	need.Tools(t, "swtpm")
	root := short(t)
	off, err := swtpm.Start(root, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(off)
	return TPM{Root: root}, off
}

// short is a directory whose name leaves room for that of a socket.
func short(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// What the TPM of a machine sealed opens there, also after the machine was off,
// and nowhere else: not on another machine, and not once the TPM was cleared.
func TestASealOpensOnItsMachineAlone(t *testing.T) {
	state := t.TempDir()
	tpm, off := machine(t, state)
	s, err := tpm.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(s.Private, secret) || bytes.Contains(s.Public, secret) {
		t.Fatal("the seal shows its secret")
	}
	opens := func(tpm TPM) {
		t.Helper()
		// As often as there is room for objects in a TPM, and more: nothing is left there.
		for range 5 {
			if back, err := tpm.Open(s); err != nil || !bytes.Equal(back, secret) {
				t.Fatalf("%q, %v", back, err)
			}
		}
	}
	opens(tpm)
	off()
	tpm, _ = machine(t, state)
	opens(tpm)

	other, _ := machine(t, t.TempDir())
	if back, err := other.Open(s); !errors.Is(err, ErrForeign) {
		t.Errorf("another machine: %q, %v", back, err)
	}
	if _, err := within(tpm, func(d transport.TPM) (struct{}, error) {
		_, err := tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(d)
		return struct{}{}, err
	}); err != nil {
		t.Fatal(err)
	}
	if back, err := tpm.Open(s); !errors.Is(err, ErrForeign) {
		t.Errorf("a cleared TPM: %q, %v", back, err)
	}
}

// A seal that was changed on the disk is foreign, or is refused by a sentence;
// it never opens as something else.
func TestAChangedSealOpensNowhere(t *testing.T) {
	tpm, _ := machine(t, t.TempDir())
	s, err := tpm.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]Sealed{
		"private part": {s.Public, flipped(s.Private)},
		"public part":  {flipped(s.Public), s.Private},
		"half":         {s.Public, s.Private[:len(s.Private)/2]},
		"nothing":      {},
	} {
		if back, err := tpm.Open(bad); err == nil {
			t.Errorf("%s: opened as %q", name, back)
		}
	}
	if back, err := tpm.Open(s); err != nil || !bytes.Equal(back, secret) {
		t.Errorf("the whole one: %q, %v", back, err)
	}
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	return b
}

// listening hears all that goes over the wires to a TPM.
type listening struct {
	transport.TPM
	heard []byte
}

func (l *listening) Send(command []byte) ([]byte, error) {
	answer, err := l.TPM.Send(command)
	l.heard = append(append(l.heard, command...), answer...)
	return answer, err
}

// Who listens at the wires to the TPM hears no secret.
func TestTheSecretDoesNotCrossTheWires(t *testing.T) {
	tpm, _ := machine(t, t.TempDir())
	heard, err := within(tpm, func(d transport.TPM) ([]byte, error) {
		l := &listening{TPM: d}
		s, err := create(l, secret)
		if err != nil {
			return nil, err
		}
		_, err = unseal(l, s)
		return l.heard, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(heard, secret) {
		t.Error("the secret was heard")
	}
}

// A TPM that never answers ends a call at its limit, and what waits for it goes on no longer.
func TestATPMThatHangsIsBounded(t *testing.T) {
	root := short(t)
	if err := os.Mkdir(filepath.Join(root, "dev"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(root, device))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	left := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			for err == nil { // it takes the command and says nothing
				_, err = c.Read(make([]byte, 4096))
			}
		}
		left <- err
	}()
	began := time.Now()
	_, err = TPM{Root: root, Limit: 300 * time.Millisecond}.Seal(secret)
	if !errors.Is(err, ErrLate) || !strings.Contains(err.Error(), "the TPM has not answered in time (300ms)") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("given up after %s", took)
	}
	<-left // the line to the TPM is closed
}

// No TPM is known at once; one that the firmware names is waited for, because its driver may come later.
func TestATPMThatComesLate(t *testing.T) {
	if _, err := (TPM{Root: t.TempDir()}).Seal(secret); !errors.Is(err, ErrNone) {
		t.Errorf("no TPM: %v", err)
	}
	need.Tools(t, "swtpm")
	root := short(t)
	if err := os.MkdirAll(filepath.Dir(filepath.Join(root, firmware)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, firmware), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (TPM{Root: root, Limit: 2 * openEvery}).Seal(secret); !errors.Is(err, ErrLate) {
		t.Errorf("a driver that never comes: %v", err)
	}
	sealed := make(chan error, 1)
	go func() {
		_, err := TPM{Root: root}.Seal(secret)
		sealed <- err
	}()
	off, err := swtpm.Start(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer off()
	if err := <-sealed; err != nil {
		t.Errorf("a driver that comes late: %v", err)
	}
}
