//go:build unix

package output

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"ringboot/imagebuilder/iso9660"
)

// childEnv makes the test binary a process that only prepares images: it
// names the base, the outputs and the way, separated by line feeds.
const childEnv = "RINGBOOT_OUTPUT_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		os.Exit(child(strings.Split(job, "\n")))
	}
	os.Exit(m.Run())
}

// child does what mkimage does with a base image, once for each output, and
// says on its standard output how far it is.
func child(job []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Println("started")
	for _, dst := range job[2:] {
		if err := prepare(ctx, job[0], dst, ways[job[1]]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			if errors.Is(err, ErrNoRoom) {
				return 4
			}
			return 1
		}
	}
	fmt.Println("done")
	return 0
}

func prepare(ctx context.Context, base, dst string, way func(string, fs.FileMode) (*pending, error)) error {
	f, err := os.Open(base)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	img, err := iso9660.Open(f, st.Size())
	if err != nil {
		return err
	}
	agent := bytes.Repeat([]byte("an agent of about nine mebibytes\n"), 9<<20/33)
	p, err := iso9660.Plan(img, []iso9660.Edit{
		{Path: "/auto-installer-mode.toml", Content: []byte("mode = \"iso\"\n")},
		{Path: "/answer.toml", Content: []byte("[global]\n")},
		{Path: "/proxmox/packages/ringboot_1_amd64.deb", Content: agent},
		{Path: "/proxmox/packages/ringboot-seed_1_all.deb", Content: []byte(dst)},
	})
	if err != nil {
		return err
	}
	said := int64(-1)
	return write(ctx, dst, p, Options{Replace: true, Progress: func(done, total int64) {
		if done/chunk != said || done == total {
			said = done / chunk
			fmt.Println("progress", done, total)
		}
	}}, way)
}

// start runs a child. lines hears what it says.
func start(t testing.TB, base, way string, outputs ...string) (cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(self)
	cmd.Env = append(cmd.Environ(), childEnv+"="+strings.Join(append([]string{base, way}, outputs...), "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// exitOf waits for a child and gives its exit code, or the signal that ended it
// as a negative number.
func exitOf(cmd *exec.Cmd) int {
	_ = cmd.Wait() // the state says more
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return -int(st.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
