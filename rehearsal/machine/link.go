package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/rehearsal/sim"
)

const (
	scanEvery = 200 * time.Millisecond
	dialAgain = 500 * time.Millisecond
	dialTime  = 700 * time.Millisecond
	// aloneAfter is when a virtual machine waits for the world no more: its port
	// comes with a driver, and the world once all machines run.
	aloneAfter = 5 * time.Minute
	// deadFor is how long an address that did not answer is not asked again.
	deadFor   = 2 * time.Second
	speedFile = "/etc/ringboot-practice.speed"
	// contained is there in a container, by systemd.
	contained = "/run/systemd/container"
)

// link is the one process of a machine that talks with the world.
type link struct {
	ctx  context.Context
	node string
	work sync.WaitGroup

	mu     sync.Mutex
	up     *stream // nil: the world is not there
	view   view
	last   int
	calls  map[int]*stream // of programs of this machine
	silent map[string]time.Time
}

// Link runs until the context ends. ready is called when the world answers.
func Link(ctx context.Context, ready func()) error {
	name, err := os.Hostname()
	if err != nil {
		return err
	}
	name, _, _ = strings.Cut(name, ".")
	l := &link{ctx: ctx, node: name, view: view{node: name}, calls: map[int]*stream{}, silent: map[string]time.Time{}}
	if err := os.MkdirAll(filepath.Dir(Tools), 0o755); err != nil {
		return err
	}
	_ = os.Remove(Tools)
	local, err := net.Listen("unix", Tools)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = local.Close() })
	l.work.Go(func() { l.accept(local) })
	l.work.Go(l.watch)
	defer time.AfterFunc(patience(contained, Socket), ready).Stop() // a machine without a world must start, too
	for ctx.Err() == nil {
		if conn, err := dialWorld(ctx); err == nil {
			l.follow(newStream(conn), ready)
		}
		select {
		case <-ctx.Done():
		case <-time.After(dialAgain):
		}
	}
	l.work.Wait()
	l.view.unmount()
	return nil
}

// patience is how long a start waits for the world. A container has its socket
// from the first moment or never.
func patience(contained, socket string) time.Duration {
	_, container := os.Stat(contained)
	_, world := os.Stat(socket)
	if container == nil && world != nil {
		return 0
	}
	return aloneAfter
}

// dialWorld opens the port of a virtual machine, or the socket of a container.
func dialWorld(ctx context.Context) (io.ReadWriteCloser, error) {
	port, err := os.OpenFile("/dev/virtio-ports/"+Port, os.O_RDWR, 0)
	if err == nil {
		return port, nil
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", Socket)
}

// follow obeys the world until the stream ends.
func (l *link) follow(s *stream, ready func()) {
	stop := context.AfterFunc(l.ctx, s.close)
	defer stop()
	defer s.close()
	speed, _ := os.ReadFile(speedFile)
	nonce := fmt.Sprint(os.Getpid(), time.Now().UnixNano())
	s.queue <- []byte("\n") // ends a line that an earlier start left behind
	s.send(message{Do: doHello, Path: l.node, To: nonce, Content: speed})
	welcome := false
	for {
		m, err := s.next()
		if err != nil {
			break
		}
		if !welcome {
			if welcome = m.Do == doWelcome && m.To == nonce; welcome {
				l.mu.Lock()
				l.up = s
				l.mu.Unlock()
				ready()
			}
			continue // meant for an earlier start
		}
		l.obey(s, m)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = nil
	for _, c := range l.calls {
		c.close()
	}
	l.view.unmount()
}

func (l *link) obey(s *stream, m message) {
	switch m.Do {
	case doShow, doUnmount:
		l.mu.Lock()
		defer l.mu.Unlock()
		if m.Do == doUnmount {
			l.view.unmount()
		} else if err := l.view.show(m.Tree, m.Writable); err != nil {
			fmt.Fprintf(os.Stderr, "/etc/pve: %v\n", err)
		}
	case doReady, doEnd:
		l.mu.Lock()
		defer l.mu.Unlock()
		if c := l.calls[m.ID]; c != nil {
			c.send(m)
		}
	case doRun, doDial, doSync: // these take their time
		l.work.Go(func() { s.send(l.perform(m)) })
	default:
		s.send(l.perform(m))
	}
}

// watch tells the world what is done below /etc/pve.
func (l *link) watch() {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-time.After(scanEvery):
			l.mu.Lock()
			l.tell()
			l.mu.Unlock()
		}
	}
}

// tell is called under the lock.
func (l *link) tell() {
	if l.up == nil {
		return
	}
	if diff := l.view.changes(); len(diff) > 0 {
		l.up.send(message{Do: doChanged, Tree: diff})
	}
}

// accept takes the calls of this machine's programs.
func (l *link) accept(local net.Listener) {
	for {
		conn, err := local.Accept()
		if err != nil {
			return
		}
		c := newStream(conn)
		context.AfterFunc(l.ctx, c.close)
		l.work.Go(func() { l.hand(c) })
	}
}

// hand hands a call on, and the news that its caller is gone.
func (l *link) hand(c *stream) {
	defer c.close()
	m, err := c.next()
	if err != nil {
		return
	}
	l.mu.Lock()
	up := l.up
	if up == nil {
		l.mu.Unlock()
		return
	}
	l.tell() // what the caller did before must be known when its call is
	l.last++
	m.ID, m.Do = l.last, doCall
	l.calls[m.ID] = c
	up.send(m)
	l.mu.Unlock()
	for err == nil { // a service that is to stop says so
		var more message
		if more, err = c.next(); err == nil && more.Do == doHangUp {
			l.tellWorld(up, message{ID: m.ID, Do: doHangUp})
		}
	}
	l.mu.Lock()
	delete(l.calls, m.ID)
	l.tell()
	l.mu.Unlock()
	up.send(message{ID: m.ID, Do: doHangUp})
}

// tellWorld sends something after all that was done before.
func (l *link) tellWorld(up *stream, m message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell()
	up.send(m)
}

// perform does one thing for the world.
func (l *link) perform(m message) (out message) {
	var err error
	switch m.Do {
	case doRead:
		out.Content, err = os.ReadFile(m.Path)
	case doWrite:
		err = l.write(m)
	case doRemove:
		if err = os.Remove(m.Path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case doRename:
		err = os.Rename(m.Path, m.To)
	case doSymlink:
		err = os.Symlink(m.To, m.Path)
	case doMkdir:
		err = os.MkdirAll(m.Path, m.Mode)
	case doChmod:
		err = os.Chmod(m.Path, m.Mode)
	case doLstat:
		var i fs.FileInfo
		if i, err = os.Lstat(m.Path); err == nil {
			out.Files = []file{fileOf(i)}
		}
	case doList:
		var list []fs.DirEntry
		list, err = os.ReadDir(m.Path)
		for _, e := range list {
			if i, err := e.Info(); err == nil {
				out.Files = append(out.Files, fileOf(i))
			}
		}
	case doSync:
		syncDisks()
	case doAddresses:
		out.Words = addresses(l.node)
	case doDial:
		err = l.dial(m.Path)
	case doRun:
		out, err = run(l.ctx, m.Argv)
	default:
		err = fmt.Errorf("no such order: %s", m.Do)
	}
	if err != nil {
		out.Error, out.Absent = err.Error(), errors.Is(err, fs.ErrNotExist)
	}
	out.ID, out.Do = m.ID, doAnswer
	return out
}

// write writes in place and syncs nothing, as most tools do; the two files of
// pmxcfs are replaced.
func (l *link) write(m message) error {
	if err := os.MkdirAll(filepath.Dir(m.Path), 0o755); err != nil {
		return err
	}
	if m.Path != sim.Database && m.Path != sim.HostConf {
		return os.WriteFile(m.Path, m.Content, m.Mode)
	}
	if err := os.WriteFile(m.Path+beingWritten, m.Content, m.Mode); err != nil {
		return err
	}
	return os.Rename(m.Path+beingWritten, m.Path)
}

func run(ctx context.Context, argv []string) (out message, err error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.WaitDelay = time.Second // a daemon that it started may hold the pipes
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	err = cmd.Run()
	out = message{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		out.Code, err = exit.ExitCode(), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return out, err
}

// dial reports whether something answers at an address.
func (l *link) dial(at string) error {
	address, _, _ := net.SplitHostPort(at)
	l.mu.Lock()
	silent := time.Now().Before(l.silent[address])
	l.mu.Unlock()
	if silent {
		return fmt.Errorf("%s did not answer a moment ago", address)
	}
	conn, err := net.DialTimeout("tcp", at, dialTime)
	if err == nil {
		return conn.Close()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		l.mu.Lock()
		l.silent[address] = time.Now().Add(deadFor)
		l.mu.Unlock()
	}
	return err
}

// addresses are the node's own ones; the one that its name resolves to first.
func addresses(node string) []string {
	var list []string
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			list = append(list, n.IP.String())
		}
	}
	raw, _ := os.ReadFile("/etc/hosts")
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if i := slices.Index(f, node); i < 1 {
			continue
		}
		if i := slices.Index(list, f[0]); i >= 0 {
			return slices.Insert(slices.Delete(list, i, i+1), 0, f[0])
		}
	}
	return list
}
