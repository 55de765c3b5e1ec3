package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"ringboot/rehearsal/standin"
)

const (
	scanEvery     = 200 * time.Millisecond
	askEvery      = 500 * time.Millisecond
	corosyncEvery = 700 * time.Millisecond
	haEvery       = 10 * time.Second
	peerGone      = 10 * time.Second // without an exchange, though corosync says that it is there
	reloadAfter   = time.Second
)

// daemon is the pmxcfs of a practice machine.
type daemon struct {
	ctx  context.Context
	m    *real
	err  io.Writer
	work sync.WaitGroup

	mu       sync.Mutex
	t        tree
	mounted  bool // the view can be made read-only
	cluster  bool // started with a corosync.conf
	joined   bool
	locked   bool // the view is read-only now
	coro     standin.Corosync
	running  bool
	last     map[string]time.Time // last exchange by node
	version  int
	members  string
	grants   *grants // of a monitor
	reloadAt time.Time
}

// serve runs pmxcfs until the context ends; then /etc/pve is empty, as after
// an unmount.
func serve(ctx context.Context, stderr io.Writer) error {
	d := &daemon{ctx: ctx, m: newReal(ctx), err: stderr, last: map[string]time.Time{}}
	for _, dir := range []string{pveDir, backing, "/etc/corosync"} {
		if err := os.MkdirAll(d.m.where.at(dir), 0o755); err != nil {
			return err
		}
	}
	if err := d.start(); err != nil {
		return err
	}
	defer d.stop()
	if err := d.control(ctx); err != nil {
		return err
	}
	if err := d.listen(ctx, ":"+port); err != nil {
		return err
	}
	notifyReady()
	d.every(ctx, scanEvery, d.tick)
	d.every(ctx, corosyncEvery, d.look)
	d.every(ctx, askEvery, func() { d.exchange(ctx) })
	d.every(ctx, haEvery, func() { d.round() })
	<-ctx.Done()
	d.work.Wait()
	return nil
}

// every calls f again and again.
func (d *daemon) every(ctx context.Context, pause time.Duration, f func()) {
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		for {
			f()
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	}()
}

func notifyReady() {
	if s := os.Getenv("NOTIFY_SOCKET"); s != "" {
		if conn, err := net.Dial("unixgram", s); err == nil {
			_, _ = conn.Write([]byte("READY=1"))
			_ = conn.Close()
		}
	}
}

// dir is where the daemon itself writes.
func (d *daemon) dir() string {
	if d.mounted {
		return d.m.where.at(backing)
	}
	return d.m.where.at(pveDir)
}

func (d *daemon) start() error {
	if d.m.where.root == "" {
		d.mounted = mountTree(backing, pveDir)
	}
	if !d.mounted {
		clean(d.m.where.at(pveDir))
	}
	if !d.t.load(d.m.where.at(dbFile)) {
		host, err := os.ReadFile(d.m.where.at(hostCnf))
		if err != nil {
			host = nil
		}
		first := map[string]item{}
		for rel, f := range standin.FirstFiles(d.m.node) {
			first[rel] = item{Dir: f.Mode.IsDir(), Content: f.Content}
		}
		d.t.begin(first, host)
		if err := d.t.save(d.m.where.at(dbFile)); err != nil {
			return err
		}
	}
	conf, ok := d.t.Items["corosync.conf"]
	d.cluster = ok && !conf.Gone
	own := "nodes/" + d.m.node
	for name, target := range map[string]string{"local": own, "lxc": own + "/lxc", "qemu-server": own + "/qemu-server", "openvz": own + "/openvz"} {
		_ = os.Remove(filepath.Join(d.dir(), name))
		if err := os.Symlink(target, filepath.Join(d.dir(), name)); err != nil {
			return err
		}
	}
	d.t.show(d.dir())
	d.hostConf()
	d.writeMembers()
	d.guard()
	return nil
}

func (d *daemon) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.allowed() {
		d.scan()
	}
	if d.mounted {
		unmountTree(d.m.where.at(backing), d.m.where.at(pveDir))
		return
	}
	clean(d.m.where.at(pveDir))
}

func clean(dir string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		_ = os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// allowed tells whether /etc/pve takes writes.
func (d *daemon) allowed() bool {
	return !d.cluster || d.running && d.coro.Quorate && d.joined
}

// guard sets the write bits, and the mount, to what is allowed.
func (d *daemon) guard() {
	locked := !d.allowed()
	mode := os.FileMode(0o755)
	if locked {
		mode = 0o555
	}
	_ = os.Chmod(filepath.Join(d.dir(), "nodes", d.m.node), mode)
	if locked != d.locked && d.mounted {
		protect(pveDir, locked)
	}
	d.locked = locked
}

func (d *daemon) scan() bool {
	if !d.t.scan(d.dir(), d.m.node) {
		return false
	}
	if err := d.t.save(d.m.where.at(dbFile)); err != nil {
		fmt.Fprintf(d.err, "pmxcfs: %v\n", err)
	}
	d.hostConf()
	return true
}

func (d *daemon) tick() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		if !d.mounted {
			d.t.show(d.dir()) // a plain directory: what root wrote is taken back
		}
	} else {
		d.scan()
	}
	d.writeMembers()
	d.guard()
	if !d.reloadAt.IsZero() && time.Now().After(d.reloadAt) {
		d.reloadAt = time.Time{}
		if d.running {
			go func() { _, _, _ = d.m.command("corosync-cfgtool", "-R") }()
		}
	}
}

// look asks corosync.
func (d *daemon) look() {
	if !d.inCluster() {
		return
	}
	q, running := d.m.Corosync()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.coro, d.running = q, running
	if !running {
		d.joined = false
	}
	if running && len(q.Members) == 1 && len(q.Conf.Nodes) == 1 {
		d.joined = true
	}
	d.writeMembers()
	d.guard()
}

func (d *daemon) inCluster() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cluster
}

// hostConf copies a newer configuration to where corosync reads it.
func (d *daemon) hostConf() {
	i, ok := d.t.Items["corosync.conf"]
	if !ok || i.Gone || !d.cluster {
		return
	}
	conf, err := standin.ParseConf(i.Content)
	if err != nil {
		return
	}
	file := d.m.where.at(hostCnf)
	raw, _ := os.ReadFile(file)
	if old, err := standin.ParseConf(raw); err == nil && old.Version >= conf.Version && old.Name == conf.Name {
		return
	}
	if os.WriteFile(file+".new", i.Content, 0o644) == nil && os.Rename(file+".new", file) == nil {
		d.reloadAt = time.Now().Add(reloadAfter)
	}
}

// writeMembers writes .members where it has changed.
func (d *daemon) writeMembers() {
	text := d.membersText(d.version)
	if string(text) == d.members {
		return
	}
	if d.cluster {
		d.version++
		text = d.membersText(d.version)
	}
	d.members = string(text)
	file := filepath.Join(d.dir(), ".members")
	if os.WriteFile(file+".pmxcfs-new", text, 0o440) == nil {
		_ = os.Rename(file+".pmxcfs-new", file)
	}
	_ = os.WriteFile(filepath.Join(d.dir(), ".vmlist"), []byte("{\n\"version\": 1\n}\n"), 0o440)
}

func (d *daemon) membersText(version int) []byte {
	if !d.cluster || !d.running || d.coro.Conf.Name == "" || len(d.coro.Members) == 0 {
		return standin.BareMembersText(d.m.node)
	}
	in := map[int]bool{}
	for _, id := range d.coro.Members {
		in[id] = true
	}
	nodes := append([]standin.ConfNode(nil), d.coro.Conf.Nodes...)
	sort.Slice(nodes, func(i, j int) bool { return nodes[i].ID < nodes[j].ID })
	var list []standin.Member
	for _, n := range nodes {
		e := standin.Member{Name: n.Name, ID: n.ID}
		last, met := d.last[n.Name]
		if n.Name == d.m.node {
			met, e.Online = d.joined, d.joined
		} else {
			e.Online = met && in[n.ID] && time.Since(last) < peerGone
		}
		if met && len(n.Addr) > 0 {
			e.IP = n.Addr[0]
		}
		list = append(list, e)
	}
	return standin.MembersText(d.m.node, version, d.coro.Conf, d.coro.Quorate, list)
}
