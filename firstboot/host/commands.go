package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// searchPath is where programs are looked up: the agent never trusts the
// environment that it was started in.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	// defaultTimeout is that of a Cmd without one.
	defaultTimeout = time.Minute
	// grace is what a command gets between SIGTERM and SIGKILL; the agent itself
	// must stop within a second.
	grace = 700 * time.Millisecond
	// maxOutput is kept of each stream of a command; the rest is dropped.
	maxOutput = 4 << 20
)

// packageOf names the Debian package of programs that a node may lack.
var packageOf = map[string]string{
	"visudo": "sudo", "sshd": "openssh-server", "chronyc": "chrony", "useradd": "passwd", "usermod": "passwd",
	"ifreload": "ifupdown2", "ifquery": "ifupdown2", "ip": "iproute2", "nft": "nftables", "bridge": "iproute2", "arping": "iputils-arping",
	"ping": "iputils-ping", "update-initramfs": "initramfs-tools", "sqlite3": "sqlite3", "smartctl": "smartmontools",
	"nvme": "nvme-cli", "udevadm": "udev", "systemd-run": "systemd", "systemctl": "systemd",
	"ethtool": "ethtool", "apt-get": "apt", "postconf": "postfix", "sgdisk": "gdisk", "partx": "util-linux", "wipefs": "util-linux",
}

// ErrMissing is wrapped by the error of a command whose program is not installed.
var ErrMissing = errors.New("not installed")

// osCommands runs programs of this machine, or of a root.
type osCommands struct{ root string }

// look finds a program on the fixed path.
func (c *osCommands) look(name string) (string, error) {
	if strings.Contains(name, "/") {
		return filepath.Join(c.root, name), nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		at := filepath.Join(c.root, dir, name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return at, nil
		}
	}
	pkg := packageOf[name]
	if pkg == "" {
		pkg = name
	}
	return "", fmt.Errorf("%s is %w: apt-get install %s", name, ErrMissing, pkg)
}

func (c *osCommands) Run(ctx context.Context, cmd Cmd) (Result, error) {
	if len(cmd.Argv) == 0 {
		return Result{}, errors.New("no command")
	}
	program, err := c.look(cmd.Argv[0])
	if err != nil {
		return Result{}, err
	}
	timeout := cmd.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var stdout, stderr capped
	x := exec.CommandContext(limited, program, cmd.Argv[1:]...)
	x.Args[0] = cmd.Argv[0]
	x.Dir = "/"
	x.Env = append(c.environment(), cmd.Env...)
	if cmd.Stdin != nil {
		x.Stdin = bytes.NewReader(cmd.Stdin)
	}
	x.Stdout, x.Stderr = &stdout, &stderr
	// Its own group, so that what it started goes with it.
	x.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	x.Cancel = func() error { return syscall.Kill(-x.Process.Pid, syscall.SIGTERM) }
	x.WaitDelay = grace
	if err = x.Start(); err == nil {
		usual(x.Process.Pid)
		done := make(chan error, 1)
		go func() { done <- x.Wait() }()
		if err = ended(limited, done, 3*grace); errors.Is(err, errUnkillable) {
			_ = syscall.Kill(-x.Process.Pid, syscall.SIGKILL)                     // it dies when what it waits for is back
			return Result{Code: -1}, c.judge(ctx, limited, cmd, timeout, -1, err) // its output is still being written to
		}
	}
	if limited.Err() != nil && x.Process != nil {
		_ = syscall.Kill(-x.Process.Pid, syscall.SIGKILL) // it may be gone
	}
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Code: -1}
	if x.ProcessState != nil {
		result.Code = x.ProcessState.ExitCode()
	}
	return result, c.judge(ctx, limited, cmd, timeout, result.Code, err)
}

// errUnkillable says that a program did not end when it was killed: it waits in
// the kernel, for a disk or for a file system that does not answer.
var errUnkillable = errors.New("it waits for a disk or a file system that does not answer, and cannot be killed")

// ended waits for a program, and when its time is over for as long as it may
// take to die.
func ended(limited context.Context, done <-chan error, dies time.Duration) error {
	select {
	case err := <-done:
		return err
	case <-limited.Done():
	}
	timer := time.NewTimer(dies)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errUnkillable
	}
}

// judge separates an exit status, which is no error, from a command that did
// not come to its end.
func (c *osCommands) judge(ctx, limited context.Context, cmd Cmd, timeout time.Duration, code int, err error) error {
	name := strings.Join(cmd.Argv, " ")
	var exit *exec.ExitError
	switch {
	case err == nil, errors.As(err, &exit) && code >= 0 && limited.Err() == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", name, ctx.Err())
	case errors.Is(err, errUnkillable):
		return fmt.Errorf("%s: no end after %s: %w", name, timeout, err)
	case limited.Err() != nil:
		return fmt.Errorf("%s: no end after %s: %w", name, timeout, context.DeadlineExceeded)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended; something that it left behind holds its output
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is %w", cmd.Argv[0], ErrMissing)
	}
	return fmt.Errorf("%s: %w", name, err)
}

// environment is small and the same everywhere: no language but C, so that
// output can be parsed.
func (c *osCommands) environment() []string {
	path := searchPath
	if c.root != "" {
		dirs := filepath.SplitList(searchPath)
		for i := range dirs {
			dirs[i] = filepath.Join(c.root, dirs[i])
		}
		path = strings.Join(dirs, ":")
	}
	env := []string{"PATH=" + path, "LC_ALL=C", "HOME=/root", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive"}
	if c.root != "" {
		env = append(env, "RINGBOOT_ROOT="+c.root)
	}
	return env
}

// capped keeps the beginning of a stream.
type capped struct{ bytes.Buffer }

func (b *capped) Write(p []byte) (int, error) {
	if room := maxOutput - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// Run is a convenience for the common case: it runs the command and turns an
// exit status other than 0 into an error with the last line that the command said.
func Run(ctx context.Context, c Commands, cmd Cmd) (string, error) {
	result, err := c.Run(ctx, cmd)
	if err != nil {
		return string(result.Stdout), err
	}
	if result.Code != 0 {
		return string(result.Stdout), fmt.Errorf("%s: exit status %d: %s", strings.Join(cmd.Argv, " "), result.Code, LastLine(result))
	}
	return string(result.Stdout), nil
}

// LastLine is the last thing that a command said, on stderr first. Where it
// called a line an error, the last of those: ifupdown2 warns after its errors.
func LastLine(r Result) string {
	for _, stream := range [][]byte{r.Stderr, r.Stdout} {
		lines := strings.Split(strings.TrimSpace(string(stream)), "\n")
		for _, line := range slices.Backward(lines) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "error: ") {
				return line
			}
		}
		if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
			return last
		}
	}
	return "it said nothing"
}
