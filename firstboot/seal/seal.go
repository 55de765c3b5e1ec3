// Package seal gives a small secret into the keeping of this machine's TPM 2.0.
// What it hands back opens on this machine alone, and nowhere any more once the
// TPM was cleared: a disk or a backup in other hands holds no key.
//
// It asks for no state of the machine (no PCRs). They change with each update of
// firmware, kernel and boot loader, and a node must come back from a power cut
// with nobody there; who is root on the machine can do what the node can anyway.
// Nothing is stored in the TPM, so nothing there can be lost but its own seed.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-tpm/tpm2/transport"
)

// Where the kernel's resource manager of the TPM is, and where the firmware says
// that there is one.
const (
	device   = "/dev/tpmrm0"
	firmware = "/sys/firmware/acpi/tables/TPM2"
)

// What a caller tells apart.
var (
	ErrNone    = errors.New("the machine has no TPM 2.0")
	ErrForeign = errors.New("the TPM of this machine did not make this seal, or was cleared since")
	ErrLate    = errors.New("the TPM has not answered in time")
)

// TPM is this machine's, or the one in software whose socket lies at the place of
// the device below Root.
type TPM struct {
	Root  string
	Limit time.Duration // how long all of a call may take; 0: twenty seconds
}

// Sealed is a secret that only the TPM can read.
type Sealed struct {
	Public  []byte `json:"public"`
	Private []byte `json:"private"`
}

// Seal closes a secret of at most 128 bytes, and opens it again before it believes it.
func (t TPM) Seal(secret []byte) (Sealed, error) {
	return within(t, func(tpm transport.TPM) (Sealed, error) {
		s, err := create(tpm, secret)
		if err != nil {
			return s, err
		}
		back, err := unseal(tpm, s)
		if err == nil && !bytes.Equal(back, secret) {
			err = errors.New("it gives back something else")
		}
		if err != nil {
			return Sealed{}, fmt.Errorf("the TPM does not open what it sealed: %w", err)
		}
		return s, nil
	})
}

// Open returns the secret. ErrForeign says that this TPM never will.
func (t TPM) Open(s Sealed) ([]byte, error) {
	return within(t, func(tpm transport.TPM) ([]byte, error) { return unseal(tpm, s) })
}

// within does something with the TPM and waits no longer than the limit: a TPM
// that hangs costs one thread, and what waits for it is left behind.
func within[T any](t TPM, do func(transport.TPM) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	limit := t.Limit
	if limit == 0 {
		limit = 20 * time.Second
	}
	ended, gaveUp := make(chan outcome, 1), make(chan struct{})
	go func() {
		var o outcome
		dev, err := t.open(gaveUp)
		if err != nil {
			o.err = err
		} else {
			stop := make(chan struct{})
			go func() {
				select {
				case <-gaveUp:
				case <-stop:
				}
				_ = dev.Close() // nothing is kept there
			}()
			o.value, o.err = do(transport.FromReadWriteCloser(dev))
			close(stop)
		}
		ended <- o
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-ended:
		return o.value, o.err
	case <-timer.C:
		close(gaveUp)
		var none T
		return none, fmt.Errorf("%w (%s)", ErrLate, limit)
	}
}

// openEvery is how often it is looked whether a TPM that the firmware names is there.
const openEvery = 100 * time.Millisecond

// open opens the TPM. Its driver may come after the agent.
func (t TPM) open(gaveUp <-chan struct{}) (io.ReadWriteCloser, error) {
	path := filepath.Join(t.Root, device)
	for {
		info, err := os.Stat(path)
		switch {
		case err == nil && info.Mode()&fs.ModeSocket != 0:
			return net.Dial("unix", path)
		case err == nil:
			return os.OpenFile(path, os.O_RDWR, 0)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(t.Root, firmware)); err != nil {
			return nil, ErrNone
		}
		select {
		case <-gaveUp:
			return nil, ErrNone
		case <-time.After(openEvery):
		}
	}
}
