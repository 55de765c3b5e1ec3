// Package swtpm is a TPM 2.0 in software for tests: the program of that name,
// behind the socket where the agent looks for the machine's own. Its state lies
// in a directory, so that it can be another machine's, or that of one which was
// switched off in between.
package swtpm

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Start starts a TPM for the machine below root, with the state that lies in a
// directory. The function that it returns switches it off, and can be called twice.
func Start(root, state string) (off func(), err error) {
	socket := filepath.Join(root, "/dev/tpmrm0")
	if err := errors.Join(os.MkdirAll(filepath.Dir(socket), 0o750), os.MkdirAll(state, 0o700)); err != nil {
		return nil, err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state,
		"--server", "type=unixio,path="+socket, "--flags", "not-need-init,startup-clear")
	said := &said{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	off = func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		_ = os.Remove(socket)
	}
	for began := time.Now(); ; {
		if c, err := net.Dial("unix", socket); err == nil {
			return off, c.Close()
		}
		select {
		case <-ended:
			return nil, fmt.Errorf("swtpm ended: %s", said.text)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(began) > 20*time.Second {
			off()
			return nil, errors.New("swtpm opens no socket")
		}
	}
}

// said keeps what a program says, for the sentence about its end.
type said struct{ text []byte }

func (s *said) Write(p []byte) (int, error) {
	s.text = append(s.text, p...)
	return len(p), nil
}
