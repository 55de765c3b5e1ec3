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
	"ifreload": "ifupdown2", "ifquery": "ifupdown2", "ip": "iproute2", "bridge": "iproute2", "arping": "iputils-arping",
	"ping": "iputils-ping", "update-initramfs": "initramfs-tools", "sqlite3": "sqlite3", "smartctl": "smartmontools",
	"nvme": "nvme-cli", "udevadm": "udev", "systemd-run": "systemd", "systemctl": "systemd", "pvecm": "pve-cluster",
	"pveversion": "pve-manager", "pvesh": "pve-manager", "pveceph": "pve-manager", "ethtool": "ethtool", "apt-get": "apt",
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
	err = x.Run()
	if limited.Err() != nil && x.Process != nil {
		syscall.Kill(-x.Process.Pid, syscall.SIGKILL)
	}
	result := Result{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), Code: -1}
	if x.ProcessState != nil {
		result.Code = x.ProcessState.ExitCode()
	}
	return result, c.judge(ctx, limited, cmd, timeout, result.Code, err)
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
