// Package containers runs whole systems side by side on one kernel: each with
// systemd as its first process, in namespaces and on an overlay of its own,
// joined by cables of veth. It takes seconds where virtual machines take minutes.
//
// What belongs to the kernel is shared: modules, clock, most of /proc/sys. So
// it is for agents, services and playbooks, not for boot loaders and disks. It
// isolates nothing against a hostile system: only systems that we make
// ourselves are run. Linux, root only.
package containers

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed start.sh
var startScript []byte

// File is written over the system's own before it starts.
type File struct {
	Content string
	Mode    fs.FileMode // 0: 0644
	Link    string      // a symbolic link instead
}

// System is one running system.
type System struct {
	Name string
	dir  string
	cmd  *exec.Cmd
	init int // pid of its first process, as the host sees it
	done chan struct{}
}

// Start starts a system. root is a directory with an installed Debian, which is
// not changed; what the system writes stays below dir. sockets are unix sockets
// of the host by the path at which the system has them.
func Start(ctx context.Context, dir, root, name string, sockets map[string]string, files map[string]File) (*System, error) {
	return start(ctx, dir, root, name, sockets, files, startLimit)
}

func start(ctx context.Context, dir, root, name string, sockets map[string]string, files map[string]File, limit time.Duration) (*System, error) {
	dir = filepath.Join(dir, name)
	for path, f := range files {
		if err := f.write(filepath.Join(dir, "upper", path)); err != nil {
			return nil, fmt.Errorf("system %s: %w", name, err)
		}
	}
	script := filepath.Join(dir, "start.sh")
	if err := os.WriteFile(script, startScript, 0o755); err != nil {
		return nil, fmt.Errorf("system %s: %w", name, err)
	}
	log, err := os.Create(filepath.Join(dir, "console.log"))
	if err != nil {
		return nil, fmt.Errorf("system %s: %w", name, err)
	}
	defer log.Close()
	s := &System{Name: name, dir: dir, done: make(chan struct{})}
	s.cmd = exec.Command("unshare", "--mount", "--propagation", "private", "sh", script, dir, root, name)
	for _, path := range slices.Sorted(maps.Keys(sockets)) {
		s.cmd.Args = append(s.cmd.Args, sockets[path]+":"+path)
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	endWithUs(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("system %s: %w", name, err)
	}
	go func() { s.cmd.Wait(); close(s.done) }()
	if err := s.await(ctx, limit); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (f File) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if f.Link != "" {
		return os.Symlink(f.Link, path)
	}
	mode := cmp.Or(f.Mode, 0o644)
	if err := os.WriteFile(path, []byte(f.Content), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// startLimit is how long a system may take to start: it takes a few seconds, on
// a very busy machine a minute or two.
const startLimit = 5 * time.Minute

// askLimit is how long a systemd that is late may take to say why.
const askLimit = 20 * time.Second

// await finds the system's first process and waits until its systemd has
// nothing left to start.
func (s *System) await(ctx context.Context, limit time.Duration) error {
	within, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it takes longer than %s", limit))
	defer cancel()
	for {
		if s.init == 0 {
			s.init = firstOf(s.cmd.Process.Pid)
		}
		if s.init != 0 {
			state, _ := s.Run(within, "systemctl", "is-system-running")
			switch strings.TrimSpace(string(state)) {
			case "running", "degraded":
				return nil
			}
		}
		select {
		case <-within.Done():
			return fmt.Errorf("system %s did not start: %w: %s: see %s", s.Name, context.Cause(within), s.pending(ctx), filepath.Join(s.dir, "console.log"))
		case <-s.done:
			text, _ := os.ReadFile(filepath.Join(s.dir, "console.log"))
			return fmt.Errorf("system %s ended: %s", s.Name, lastLine(text))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// pending says what a start waits for: the jobs that run, and those behind them.
func (s *System) pending(ctx context.Context) string {
	if s.init == 0 {
		return "it has no first process"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
	defer cancel()
	out, err := s.Run(ctx, "systemctl", "list-jobs", "--no-legend", "--plain")
	if err != nil {
		return "its systemd does not answer: " + err.Error()
	}
	jobs := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 4 { // JOB UNIT TYPE STATE
			jobs[f[3]] = append(jobs[f[3]], f[1])
		}
	}
	slices.Sort(jobs["waiting"])
	return fmt.Sprintf("it waits for %q, and behind them are %q", jobs["running"], jobs["waiting"])
}

// Init is the pid of its first process, as the host sees it.
func (s *System) Init() int { return s.init }

// firstOf finds the child that is the first process of a pid namespace of its
// own. The starting script has other children, which come and go.
func firstOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for _, word := range strings.Fields(string(text)) {
		status, err := os.ReadFile("/proc/" + word + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			numbers, is := strings.CutPrefix(line, "NSpid:")
			if f := strings.Fields(numbers); is && len(f) > 1 && f[len(f)-1] == "1" {
				n, _ := strconv.Atoi(word)
				return n
			}
		}
	}
	return 0
}

// Run runs a command in the system and returns its standard output; the error
// holds what it said on standard error.
func (s *System) Run(ctx context.Context, argv ...string) ([]byte, error) {
	return s.Feed(ctx, nil, argv...)
}

// Feed is Run with standard input.
func (s *System) Feed(ctx context.Context, stdin []byte, argv ...string) ([]byte, error) {
	args := append([]string{"--target", strconv.Itoa(s.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}, argv...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"}
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = time.Second // nsenter is killed, and what it started holds the pipes
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%s: %s: %w: %s", s.Name, strings.Join(argv, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// Network are the words of a program that becomes another in the system's network,
// with the files of the host.
func (s *System) Network() []string {
	return []string{"nsenter", "--target", strconv.Itoa(s.init), "--net", "--"}
}

// Stop ends the system at once, as a power cut does, and waits for its end.
func (s *System) Stop() {
	select {
	case <-s.done: // its pid may be another's by now
		return
	default:
	}
	// Killing the first process of a pid namespace ends all others in it.
	if s.init != 0 {
		if p, err := os.FindProcess(s.init); err == nil {
			p.Kill()
		}
	}
	s.cmd.Process.Kill()
	<-s.done
}

// Switch is a network switch: a bridge in a namespace of its own.
type Switch struct {
	cmd *exec.Cmd
}

// NewSwitch makes a switch with an address for whoever looks on from the host's side.
func NewSwitch(ctx context.Context, address string) (*Switch, error) {
	sw := &Switch{cmd: exec.Command("unshare", "--net", "sleep", "infinity")}
	endWithUs(sw.cmd)
	if err := sw.cmd.Start(); err != nil {
		return nil, fmt.Errorf("switch: %w", err)
	}
	// The namespace exists when the process is no longer in ours.
	own, err := os.Readlink("/proc/self/ns/net")
	for err == nil {
		var its string
		if its, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/net", sw.cmd.Process.Pid)); its != own {
			break
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	for _, line := range []string{"link set lo up", "link add lan type bridge", "link set lan up", "address add " + address + " dev lan"} {
		if err == nil {
			_, err = sw.Run(ctx, append([]string{"ip"}, strings.Fields(line)...)...)
		}
	}
	if err != nil {
		sw.Stop()
		return nil, fmt.Errorf("switch: %w", err)
	}
	return sw, nil
}

// Run runs a program of the host in the switch's network.
func (sw *Switch) Run(ctx context.Context, argv ...string) ([]byte, error) {
	cmd := sw.Command(ctx, argv...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, lastLine(errs.Bytes()))
	}
	return out, nil
}

// Command is a program of the host, to be run in the switch's network.
func (sw *Switch) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(sw.cmd.Process.Pid), "--net", "--"}, argv...)...)
}

// Stop takes the switch away with all its cables.
func (sw *Switch) Stop() {
	sw.cmd.Process.Kill()
	sw.cmd.Wait()
}

// Plug joins a port of a system to the switch.
func (sw *Switch) Plug(ctx context.Context, s *System, port string) error {
	far := "p-" + s.Name[:min(6, len(s.Name))] + "-" + port
	if len(far) > 15 {
		far = far[:15]
	}
	if err := veth(ctx, s.init, port, sw.cmd.Process.Pid, far); err != nil {
		return err
	}
	_, err1 := sw.Run(ctx, "ip", "link", "set", far, "master", "lan", "up")
	_, err2 := s.Run(ctx, "ip", "link", "set", port, "up")
	return errors.Join(err1, err2)
}

// Cable joins a port of one system to a port of another.
func Cable(ctx context.Context, a *System, portA string, b *System, portB string) error {
	if err := veth(ctx, a.init, portA, b.init, portB); err != nil {
		return err
	}
	_, err1 := a.Run(ctx, "ip", "link", "set", portA, "up")
	_, err2 := b.Run(ctx, "ip", "link", "set", portB, "up")
	return errors.Join(err1, err2)
}

// veth makes both ends where they belong; neither is ever in the host's network.
func veth(ctx context.Context, pidA int, a string, pidB int, b string) error {
	cmd := exec.CommandContext(ctx, "ip", "link", "add", a, "netns", strconv.Itoa(pidA), "type", "veth", "peer", "name", b, "netns", strconv.Itoa(pidB))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cable %s to %s: %w: %s", a, b, err, lastLine(out))
	}
	return nil
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
