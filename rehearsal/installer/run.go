package installer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// run runs a program of the live system. Its messages go into the error, or
// nowhere when it succeeds.
func (s *session) run(ctx context.Context, stdin []byte, argv ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"}
	// Files, not pipes: a daemon that keeps them open must not keep us waiting.
	var names [2]*os.File
	for i := range names {
		file, err := os.CreateTemp("/run", "output-")
		if err != nil {
			return nil, err
		}
		defer func() { file.Close(); os.Remove(file.Name()) }()
		names[i] = file
	}
	cmd.Stdout, cmd.Stderr = names[0], names[1]
	err := cmd.Run()
	out, readErr := os.ReadFile(names[0].Name())
	if readErr != nil {
		return nil, readErr
	}
	if err != nil {
		messages, _ := os.ReadFile(names[1].Name()) //nolint:errcheck // the error before it counts
		return out, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, oneLine(string(append(out, messages...))))
	}
	return out, nil
}

// all runs programs of the live system one after the other, up to the first
// that fails.
func (s *session) all(ctx context.Context, steps ...[]string) error {
	for _, argv := range steps {
		if _, err := s.run(ctx, nil, argv...); err != nil {
			return err
		}
	}
	return nil
}

// oneLine is the last part of what a program said, on one line: the console is
// read line by line.
func oneLine(text string) string {
	const enough = 400
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return text[max(0, len(text)-enough):]
}

// inTarget runs a program of the installed system.
func (s *session) inTarget(ctx context.Context, stdin []byte, argv ...string) ([]byte, error) {
	return s.run(ctx, stdin, append([]string{"chroot", target}, argv...)...)
}
