package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/rehearsal/disk"
	"ringboot/rehearsal/sim"
)

// host is a machine as a tool sees it during one run.
type host struct {
	n    *node
	ctx  context.Context
	held []string
}

var _ interface {
	sim.Machine
	sim.Guester
} = (*host)(nil)

// ended unwinds a tool whose caller is gone.
type ended struct{ why error }

// guarded runs something of the tools on a machine, until its context ends.
func (n *node) guarded(ctx context.Context, do func(h *host)) (err error) {
	h := &host{n: n, ctx: ctx}
	defer func() {
		n.w.mu.Lock()
		for _, l := range h.held {
			delete(n.locks, l)
		}
		n.w.mu.Unlock()
		if r := recover(); r != nil {
			e, ok := r.(ended)
			if !ok {
				panic(r)
			}
			err = e.why
		}
	}()
	do(h)
	return nil
}

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// do has the machine do something on the spot.
func (n *node) do(ctx context.Context, m message) (message, error) {
	n.w.mu.Lock()
	s := n.link
	n.w.mu.Unlock()
	if s == nil {
		return message{}, fmt.Errorf("%s: %w", n.name, errGone)
	}
	limit := fileLimit
	if m.Do == doRun {
		limit = runLimit
	}
	return n.ask(ctx, s, m, limit)
}

// run runs a program of the machine.
func (n *node) run(ctx context.Context, argv ...string) (stdout string, code int, err error) {
	got, err := n.do(ctx, message{Do: doRun, Argv: argv})
	if err != nil {
		return "", -1, err
	}
	if got.Code != 0 {
		err = errors.New(strings.TrimSpace(string(got.Stderr)))
	}
	return string(got.Stdout), got.Code, err
}

// do is that of the machine, and ends the tool when its caller is gone.
func (h *host) do(m message) (message, error) {
	got, err := h.n.do(h.ctx, m)
	h.check()
	return got, err
}

func (h *host) check() {
	if h.ctx.Err() != nil {
		panic(ended{context.Cause(h.ctx)})
	}
}

// pve does something in /etc/pve, which is of the world.
func (h *host) pve(do func(f *disk.Disk) error) error {
	h.check()
	w := h.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sim.SetTime(time.Now())
	err := do(h.n.sim.Files())
	w.settle()
	return err
}

func inPVE(path string) bool { return path == sim.EtcPVE || strings.HasPrefix(path, sim.EtcPVE+"/") }

// change does something to a file where it lies.
func (h *host) change(m message, do func(f *disk.Disk) error) error {
	if inPVE(m.Path) {
		return h.pve(do)
	}
	_, err := h.do(m)
	return err
}

func (h *host) ReadFile(path string) (content []byte, err error) {
	if inPVE(path) {
		err = h.pve(func(f *disk.Disk) error { content, err = f.ReadFile(path); return err })
		return content, err
	}
	got, err := h.do(message{Do: doRead, Path: path})
	return got.Content, err
}

func (h *host) WriteDirect(path string, content []byte) error {
	return h.change(message{Do: doWrite, Path: path, Content: content, Mode: 0o644}, func(f *disk.Disk) error { return f.WriteDirect(path, content) })
}

func (h *host) Remove(path string) error {
	return h.change(message{Do: doRemove, Path: path}, func(f *disk.Disk) error { return f.Remove(path) })
}

func (h *host) Rename(from, to string) error {
	return h.change(message{Do: doRename, Path: from, To: to}, func(f *disk.Disk) error { return f.Rename(from, to) })
}

func (h *host) Symlink(target, path string) error {
	return h.change(message{Do: doSymlink, Path: path, To: target}, func(f *disk.Disk) error { return f.Symlink(target, path) })
}

func (h *host) MkdirAll(path string, mode fs.FileMode) error {
	return h.change(message{Do: doMkdir, Path: path, Mode: mode.Perm()}, func(f *disk.Disk) error { return f.MkdirAll(path, mode) })
}

func (h *host) Chmod(path string, mode fs.FileMode) error {
	return h.change(message{Do: doChmod, Path: path, Mode: mode.Perm()}, func(f *disk.Disk) error { return f.Chmod(path, mode) })
}

func (h *host) Lstat(path string) (info fs.FileInfo, err error) {
	if inPVE(path) {
		err = h.pve(func(f *disk.Disk) error { info, err = f.Lstat(path); return err })
		return info, err
	}
	got, err := h.do(message{Do: doLstat, Path: path})
	if err != nil {
		return nil, err
	}
	return got.Files[0], nil
}

func (h *host) ReadDir(path string) (list []fs.DirEntry, err error) {
	if inPVE(path) {
		err = h.pve(func(f *disk.Disk) error { list, err = f.ReadDir(path); return err })
		return list, err
	}
	got, err := h.do(message{Do: doList, Path: path})
	for _, f := range got.Files {
		list = append(list, fs.FileInfoToDirEntry(f))
	}
	return list, err
}

func (h *host) Sync() error { _, err := h.do(message{Do: doSync}); return err }

// Guests is sim.Guester's.
func (h *host) Guests() sim.Guests {
	if g := h.n.w.real.Guests; g != nil {
		return g(h.n.name)
	}
	return nil
}

func (h *host) Name() string         { return h.n.name }
func (h *host) Now() time.Time       { return time.Now() }
func (h *host) Random(n int) int     { return rand.Intn(n) }
func (h *host) Note(string, string)  {}
func (h *host) Work(d time.Duration) { h.Sleep(time.Duration(float64(d) * h.n.speed)) }

func (h *host) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-h.ctx.Done():
	}
	h.check()
}

func (h *host) Alone(do func()) {
	h.n.w.alone.Lock()
	defer h.n.w.alone.Unlock()
	do()
}

func (h *host) Lock(path string) (func(), bool) {
	w := h.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.n.locks[path] {
		return nil, false
	}
	h.n.locks[path] = true
	h.held = append(h.held, path)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(h.n.locks, path)
	}, true
}

func (h *host) Addresses() []string {
	got, _ := h.do(message{Do: doAddresses})
	return got.Words
}

func (h *host) Unit(verb, unit string) error {
	_, _, err := h.n.run(h.ctx, "systemctl", verb, unit)
	h.check()
	return err
}

func (h *host) UnitState(unit string) string {
	out, _, _ := h.n.run(h.ctx, "systemctl", "is-active", unit)
	h.check()
	return cmp.Or(strings.TrimSpace(out), "inactive")
}

func (h *host) Corosync() (sim.Corosync, bool) { return h.n.corosync(h.ctx) }

func (h *host) Expect(votes int) {
	_, _, _ = h.n.run(h.ctx, "corosync-quorumtool", "-e", strconv.Itoa(votes))
}

func (h *host) Kill(id int) bool {
	q, _ := h.Corosync()
	if !slices.Contains(q.Members, id) {
		return false
	}
	_, _, err := h.n.run(h.ctx, "corosync-cfgtool", "-k", strconv.Itoa(id))
	return err == nil
}

func (h *host) Synced(node string) bool {
	w := h.n.w
	w.mu.Lock()
	defer w.mu.Unlock()
	return h.n.sim.Machine().Synced(node)
}

// Reaches asks the machine's own network.
func (h *host) Reaches(address string, port int) bool {
	_, err := h.do(message{Do: doDial, Path: net.JoinHostPort(address, strconv.Itoa(port))})
	return err == nil
}

// anyPort is one that need not be open: a machine that is there refuses it.
const anyPort = 22

// refused is what a machine that is there says of a port that is not open.
const refused = "connection refused"

// Remote finds another machine by name or address, nil if this one's network
// does not lead to it.
func (h *host) Remote(name string) sim.Machine {
	w := h.n.w
	w.mu.Lock()
	var others []*node
	for _, o := range w.nodes {
		if o.link != nil {
			others = append(others, o)
		}
	}
	w.mu.Unlock()
	for _, o := range others {
		far := &host{n: o, ctx: h.ctx}
		match := o.name == name
		for _, address := range far.Addresses() {
			if !match && address != name {
				continue
			}
			if o == h.n {
				return far
			}
			_, err := h.do(message{Do: doDial, Path: net.JoinHostPort(address, strconv.Itoa(anyPort))})
			if err == nil || strings.Contains(err.Error(), refused) {
				return far
			}
		}
	}
	return nil
}
