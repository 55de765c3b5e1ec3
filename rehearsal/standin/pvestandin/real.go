package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ringboot/rehearsal/standin"
)

// paths are where things lie; tests put a root before them.
type paths struct{ root string }

func (p paths) at(path string) string { return filepath.Join(p.root, path) }

// real is the machine that the program runs on.
type real struct {
	ctx   context.Context
	where paths
	node  string
	speed float64
	dirty bool // something under /etc/pve was written
	locks []*os.File
	// silent are addresses that did not answer, with until when they are left
	// alone; token is this program's name where it asks for a right.
	silent map[string]time.Time
	token  string
}

func newReal(ctx context.Context) *real {
	m := &real{ctx: ctx, where: paths{os.Getenv("PVESTANDIN_ROOT")}, node: os.Getenv("PVESTANDIN_NODE"), speed: 0.2}
	if m.node == "" {
		name, _ := os.Hostname()
		m.node, _, _ = strings.Cut(name, ".")
	}
	if raw, err := os.ReadFile(m.where.at("/etc/ringboot-practice.speed")); err == nil {
		if f, err := strconv.ParseFloat(strings.TrimSpace(string(raw)), 64); err == nil {
			m.speed = f
		}
	}
	return m
}

// close lets pmxcfs take over what was written, and the locks go.
func (m *real) close() {
	if m.dirty {
		m.flush()
	}
	for _, l := range m.locks {
		l.Close()
	}
}

// flush has the daemon take up and spread what lies in /etc/pve now.
func (m *real) flush() {
	m.dirty = false
	conn, err := net.DialTimeout("unix", m.where.at(controlSocket), time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = conn.Write([]byte("flush\n"))
	_, _ = conn.Read(make([]byte, 16))
}

func (m *real) Name() string     { return m.node }
func (m *real) Now() time.Time   { return time.Now() }
func (m *real) Random(n int) int { return rand.Intn(n) }

func (m *real) Work(d time.Duration) { m.Sleep(time.Duration(float64(d) * m.speed)) }

func (m *real) Sleep(d time.Duration) {
	if m.dirty {
		m.flush()
	}
	select {
	case <-time.After(d):
	case <-m.ctx.Done():
		os.Exit(143) // killed, as SIGTERM does it
	}
}

func (m *real) touched(path string) {
	if path == pveDir || strings.HasPrefix(path, pveDir+"/") {
		m.dirty = true
	}
}

func (m *real) ReadFile(path string) ([]byte, error) { return os.ReadFile(m.where.at(path)) }

func (m *real) WriteDirect(path string, content []byte) error {
	m.touched(path)
	full := m.where.at(path)
	if !strings.HasPrefix(path, pveDir+"/") {
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
	}
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(path, pveDir+"/") {
		mode = 0o640
	}
	return os.WriteFile(full, content, mode)
}

func (m *real) Remove(path string) error {
	m.touched(path)
	err := os.Remove(m.where.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (m *real) Rename(from, to string) error {
	m.touched(from)
	m.touched(to)
	return os.Rename(m.where.at(from), m.where.at(to))
}

func (m *real) Symlink(target, path string) error { return os.Symlink(target, m.where.at(path)) }

func (m *real) MkdirAll(path string, mode fs.FileMode) error {
	m.touched(path)
	return os.MkdirAll(m.where.at(path), mode)
}

func (m *real) Chmod(path string, mode fs.FileMode) error { return os.Chmod(m.where.at(path), mode) }

func (m *real) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(m.where.at(path)) }

func (m *real) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(m.where.at(path)) }

func (m *real) Sync() error {
	if m.dirty {
		m.flush()
	}
	syncDisks()
	return nil
}

// Addresses are the node's own ones; the one that its name resolves to first.
func (m *real) Addresses() []string {
	own := map[string]bool{}
	var list []string
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			own[n.IP.String()] = true
			list = append(list, n.IP.String())
		}
	}
	raw, _ := m.ReadFile("/etc/hosts")
	for _, line := range strings.Split(string(raw), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || !own[f[0]] {
			continue
		}
		for _, name := range f[1:] {
			if name == m.node {
				out := []string{f[0]}
				for _, a := range list {
					if a != f[0] {
						out = append(out, a)
					}
				}
				return out
			}
		}
	}
	return list
}

func (m *real) command(argv ...string) ([]byte, int, error) {
	ctx, cancel := context.WithTimeout(m.ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out, exit.ExitCode(), errors.New(strings.TrimSpace(errs.String()))
	}
	return out, 0, err
}

func (m *real) Unit(verb, unit string) error {
	if m.dirty {
		m.flush()
	}
	_, _, err := m.command("systemctl", verb, unit)
	return err
}

func (m *real) UnitState(unit string) string {
	out, _, _ := m.command("systemctl", "is-active", unit)
	if s := strings.TrimSpace(string(out)); s != "" {
		return s
	}
	return "inactive"
}

func (m *real) Expect(votes int) {
	_, _, _ = m.command("corosync-quorumtool", "-e", strconv.Itoa(votes))
}

func (m *real) Kill(id int) bool {
	q, ok := m.Corosync()
	if !ok {
		return false
	}
	for _, member := range q.Members {
		if member == id {
			_, code, err := m.command("corosync-cfgtool", "-k", strconv.Itoa(id))
			return err == nil && code == 0
		}
	}
	return false
}

func (m *real) Lock(path string) (func(), bool) {
	f, err := os.OpenFile(m.where.at(path), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, false
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, false
	}
	m.locks = append(m.locks, f)
	return func() { f.Close() }, true
}

func (m *real) Synced(node string) bool {
	raw, _ := m.ReadFile(pveDir + "/.members")
	return strings.Contains(string(raw), fmt.Sprintf("%q: { ", node)) && strings.Contains(lineOf(string(raw), fmt.Sprintf("%q:", node)), "\"ip\"")
}

func lineOf(text, with string) string {
	for _, l := range strings.Split(text, "\n") {
		if strings.Contains(l, with) {
			return l
		}
	}
	return ""
}

func (m *real) Note(string, string) {}

// Corosync is what the tools of the real corosync say.
func (m *real) Corosync() (standin.Corosync, bool) {
	out, code, err := m.command("corosync-quorumtool", "-s")
	if code == 1 || err != nil && len(out) == 0 {
		return standin.Corosync{}, false
	}
	q := parseQuorum(string(out))
	if raw, err := m.ReadFile("/etc/corosync/corosync.conf"); err == nil {
		q.Conf, _ = standin.ParseConf(raw)
	}
	links, _, _ := m.command("corosync-cfgtool", "-n")
	q.Links = parseLinks(string(links))
	return q, true
}

func parseQuorum(text string) standin.Corosync {
	var q standin.Corosync
	table := false
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		n := 0
		if len(f) > 0 {
			n, _ = strconv.Atoi(f[0])
		}
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "Nodeid"):
			table = true
		case table:
			if id, err := strconv.Atoi(strings.TrimSpace(strings.Split(strings.TrimSpace(line)+" ", " ")[0])); err == nil {
				q.Members = append(q.Members, id)
			}
		case key == "Quorate":
			q.Quorate = strings.TrimSpace(value) == "Yes"
		case key == "Expected votes":
			q.Expected = n
		case key == "Quorum":
			q.Quorum = n
		case key == "Node ID":
			q.NodeID = n
		case key == "Ring ID":
			q.RingID = strings.TrimSpace(value)
		}
	}
	return q
}

func parseLinks(text string) []standin.Link {
	var list []standin.Link
	node := 0
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "nodeid:":
			node, _ = strconv.Atoi(f[1])
		case len(f) > 4 && f[0] == "LINK:":
			l := standin.Link{NodeID: node, Connected: strings.Contains(line, " connected ")}
			l.Number, _ = strconv.Atoi(f[1])
			l.From, l.To, _ = strings.Cut(strings.Trim(f[3], "()"), "->")
			l.MTU, _ = strconv.Atoi(f[len(f)-1])
			list = append(list, l)
		}
	}
	return list
}
