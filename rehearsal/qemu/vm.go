package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// Files of a machine in its directory.
const (
	monitorSocket = "qmp.sock"
	varsFile      = "vars.fd"
	consoleFile   = "console.log"
	messageFile   = "qemu.log"
)

// Files are what a machine leaves in its directory: what it said, and what its
// firmware keeps.
var Files = []string{varsFile, consoleFile, messageFile}

// program is QEMU's name; it is looked up in PATH.
const program = "qemu-system-x86_64"

// VM is a running machine.
type VM struct {
	Machine Machine
	Dir     string
	Console *Console

	process *os.Process
	done    chan struct{} // closed when the process ended
	err     error         // of the process; read after done
	qmp     *monitor
	qmpOnce sync.Mutex
}

// Start switches the machine on. dir is made where it is missing; it keeps
// console, messages and firmware variables, so that a second Start in the same
// directory is the same machine switched on again. The machine ends with ctx.
func Start(ctx context.Context, m Machine, dir string) (*VM, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("directory of machine %s: %w", m.Name, err)
	}
	if path := filepath.Join(dir, monitorSocket); len(path) > maxSocketPath {
		return nil, fmt.Errorf("machine %s: directory %s is too long for a socket in it: use one of at most %d characters",
			m.Name, dir, maxSocketPath-len(monitorSocket)-1)
	}
	if m.Firmware == UEFI {
		if err := copyOnce(ovmfVars, filepath.Join(dir, varsFile)); err != nil {
			return nil, fmt.Errorf("firmware variables of machine %s: %w", m.Name, err)
		}
	}
	args, err := m.Args(dir)
	if err != nil {
		return nil, err
	}
	messages, err := os.OpenFile(filepath.Join(dir, messageFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer messages.Close()
	argv := slices.Concat(m.Under, []string{program}, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = messages
	ownGroup(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// An os.Pipe of our own: Wait must not close it before it is read to its end.
	output, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = writer
	vm := &VM{Machine: m, Dir: dir, done: make(chan struct{})}
	err = vm.run(cmd)
	writer.Close()
	if err != nil {
		output.Close()
		return nil, fmt.Errorf("start machine %s: %w: apt install qemu-system-x86", m.Name, err)
	}
	vm.Console, err = newConsole(output, input, filepath.Join(dir, consoleFile))
	if err != nil {
		cmd.Process.Kill() //nolint:errcheck // the error before it is the one to report
		<-vm.done
		return nil, err
	}
	return vm, nil
}

// run starts the process and waits for its end.
func (vm *VM) run(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		// The kernel ends the machine with the thread that started it, so that one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		vm.process = cmd.Process
		if started <- err; err == nil {
			vm.err = cmd.Wait()
			close(vm.done)
		}
	}()
	return <-started
}

// maxSocketPath is the room in sockaddr_un (108 bytes with the final zero).
const maxSocketPath = 107

// Done is closed when the machine has ended.
func (vm *VM) Done() <-chan struct{} { return vm.done }

// Process is the number of the machine's process.
func (vm *VM) Process() int { return vm.process.Pid }

// Running reports whether the machine is still on.
func (vm *VM) Running() bool {
	select {
	case <-vm.done:
		return false
	default:
		return true
	}
}

// Cut takes the power away: the process is killed, nothing is flushed.
func (vm *VM) Cut() {
	vm.process.Kill() //nolint:errcheck // it may have ended by itself
	<-vm.done
	vm.closeMonitor()
}

// Wait waits until the machine switches itself off. An error of QEMU itself
// carries its message.
func (vm *VM) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("machine %s is still on: %w; last lines:\n%s", vm.Machine.Name, context.Cause(ctx), vm.Console.Tail(12))
	case <-vm.done:
	}
	vm.closeMonitor()
	if vm.err != nil {
		return fmt.Errorf("machine %s: %w: %s", vm.Machine.Name, vm.err, vm.Message())
	}
	return nil
}

// Message is the last line of what QEMU itself had to say.
func (vm *VM) Message() string {
	text, err := os.ReadFile(filepath.Join(vm.Dir, messageFile))
	if err != nil {
		return "it left no message"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// Reset presses the reset button.
func (vm *VM) Reset(ctx context.Context) error { return vm.command(ctx, "system_reset", nil) }

// SetLink plugs or unplugs the cable of a network card: the guest sees its carrier go.
func (vm *VM) SetLink(ctx context.Context, nic string, up bool) error {
	return vm.command(ctx, "set_link", map[string]any{"name": nic, "up": up})
}

func (vm *VM) command(ctx context.Context, name string, arguments map[string]any) error {
	return vm.monitored(ctx, name, func(m *monitor) error {
		_, err := m.run(ctx, name, arguments)
		return err
	})
}

// monitored does something with the monitor, which it opens where it must.
func (vm *VM) monitored(ctx context.Context, what string, do func(*monitor) error) error {
	vm.qmpOnce.Lock()
	defer vm.qmpOnce.Unlock()
	if vm.qmp == nil {
		m, err := dialMonitor(ctx, filepath.Join(vm.Dir, monitorSocket))
		if err != nil {
			return fmt.Errorf("monitor of machine %s: %w", vm.Machine.Name, err)
		}
		vm.qmp = m
	}
	if err := do(vm.qmp); err != nil {
		return fmt.Errorf("machine %s: %s: %w", vm.Machine.Name, what, err)
	}
	return nil
}

func (vm *VM) closeMonitor() {
	vm.qmpOnce.Lock()
	defer vm.qmpOnce.Unlock()
	if vm.qmp != nil {
		vm.qmp.conn.Close()
		vm.qmp = nil
	}
}

// copyOnce copies a file where there is none yet.
func copyOnce(from, to string) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		out.Close()
		return err
	}
	defer in.Close()
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// patienceTCG is how much longer an emulated processor takes than a real one.
const patienceTCG = 5

// Patience stretches a time that a real machine would need to what this
// accelerator needs.
func (a Accel) Patience(d time.Duration) time.Duration {
	if a == KVM {
		return d
	}
	return d * patienceTCG
}
