// Package hangfs is a file system that stops answering and answers again, as
// that of Proxmox VE can: a real mount of FUSE, of an empty directory. A look that
// it does not answer waits in the kernel, where it cannot be killed.
//
// The process that answers is another one than the test, which might look itself
// and then wait for itself for ever. It ends with the test, and then the kernel
// lets all go that wait.
package hangfs

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// env makes a test binary the process that answers: it says where to mount.
const env = "RINGBOOT_TEST_HANGFS"

// Serves is called first by the TestMain of whoever starts one, and reports
// whether this was the process that answers, which has done its work then.
func Serves() bool {
	at, ok := os.LookupEnv(env)
	if !ok {
		return false
	}
	if err := serve(at); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

// FS is one that is mounted.
type FS struct {
	t   testing.TB
	in  io.Writer
	out *bufio.Reader
}

// Mount mounts one on a directory, in the mount namespace of a process; 0: in ours.
// It answers, at first.
func Mount(t testing.TB, pid int, dir string) *FS {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env+"="+strconv.Itoa(pid)+" "+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &FS{t, in, bufio.NewReader(out)}
	t.Cleanup(func() {
		if pid == 0 {
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		in.Close()
		_ = cmd.Wait()
	})
	f.said()
	return f
}

// Hang has it answer nothing from now on.
func (f *FS) Hang() { f.say("hang") }

// Back has it answer all who wait, and returns how many looks that were.
func (f *FS) Back() int { return f.say("back") }

func (f *FS) say(word string) int {
	f.t.Helper()
	if _, err := io.WriteString(f.in, word+"\n"); err != nil {
		f.t.Fatal(err)
	}
	return f.said()
}

func (f *FS) said() int {
	f.t.Helper()
	line, err := f.out.ReadString('\n')
	n, bad := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || bad != nil {
		f.t.Fatalf("the file system: %q, %v", line, err)
	}
	return n
}

// serve mounts and answers until its standard input ends.
func serve(at string) error {
	pid, dir, _ := strings.Cut(at, " ")
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0) // os.Open would poll it, which it cannot before the mount
	if err != nil {
		return fmt.Errorf("/dev/fuse: %w", err)
	}
	dev := os.NewFile(uintptr(fd), "/dev/fuse")
	argv := []string{"mount", "-i", "-n", "-t", "fuse", "-o", "fd=3,rootmode=40750,user_id=0,group_id=0,allow_other,default_permissions", "hangfs", dir}
	if pid != "0" {
		argv = append([]string{"nsenter", "--mount", "--target", pid}, argv...)
	}
	mount := exec.Command(argv[0], argv[1:]...)
	mount.ExtraFiles = []*os.File{dev}
	d := &daemon{dev: dev}
	if out, err := mount.CombinedOutput(); err != nil {
		return fmt.Errorf("mount: %w: %s", err, out)
	}
	go d.run()
	fmt.Println(0)
	for words := bufio.NewScanner(os.Stdin); words.Scan(); {
		fmt.Println(d.hang(words.Text() == "hang"))
	}
	return nil
}

// daemon answers the kernel.
type daemon struct {
	dev   *os.File
	mu    sync.Mutex
	hangs bool
	kept  [][]byte
}

// hang begins or ends it, and returns how many waited.
func (d *daemon) hang(hangs bool) (waited int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hangs = hangs
	for !hangs && waited < len(d.kept) {
		d.answer(d.kept[waited])
		waited++
	}
	d.kept = d.kept[waited:]
	return waited
}

// Operations and sizes of FUSE's protocol (linux/fuse.h).
const (
	opForget, opGetattr, opInit, opInterrupt, opBatchForget = 2, 3, 26, 36, 42

	headerIn, headerOut = 40, 16
	initOut, attrOut    = 64, 104
	version, minor      = 7, 31
	largest             = 132 << 10
)

func (d *daemon) run() {
	buf := make([]byte, largest)
	for {
		n, err := d.dev.Read(buf)
		if errors.Is(err, syscall.ENOENT) { // who asked has gone
			continue
		}
		if err != nil || n < headerIn {
			return // unmounted
		}
		request := append([]byte(nil), buf[:n]...)
		d.mu.Lock()
		switch op := binary.NativeEndian.Uint32(request[4:]); {
		case op == opForget || op == opBatchForget || op == opInterrupt: // nobody waits
		case d.hangs && op != opInit:
			d.kept = append(d.kept, request)
		default:
			d.answer(request)
		}
		d.mu.Unlock()
	}
}

// answer says that the root is an empty directory, and that there is nothing else.
func (d *daemon) answer(request []byte) {
	le := binary.NativeEndian
	out := make([]byte, headerOut)
	switch le.Uint32(request[4:]) {
	case opInit:
		out = append(out, make([]byte, initOut)...)
		le.PutUint32(out[headerOut:], version)
		le.PutUint32(out[headerOut+4:], minor)
		le.PutUint32(out[headerOut+20:], 4096) // the largest write
	case opGetattr:
		out = append(out, make([]byte, attrOut)...)
		attr := out[headerOut+16:] // behind for how long it holds: not at all
		le.PutUint64(attr, 1)
		le.PutUint32(attr[60:], syscall.S_IFDIR|0o750)
		le.PutUint32(attr[64:], 2)
	default:
		le.PutUint32(out[4:], ^uint32(syscall.ENOENT)+1) // negative
	}
	le.PutUint32(out, uint32(len(out)))
	copy(out[8:], request[8:16])
	_, _ = d.dev.Write(out) // who asked has gone
}
