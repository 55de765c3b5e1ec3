// Package machine joins machines with a kernel of their own to the one world:
// virtual machines and containers in which the real systemd and corosync run,
// and whose tools of Proxmox VE are stand-ins.
//
// World is the far side, in the process of the test or rehearsal. The tools run
// there, as functions of the machine that called them, and so does pmxcfs,
// which is one file system on all nodes. Link is the near side, one process in
// each machine: it does for the world what must be done on the spot, shows
// /etc/pve, and hands on what is called. Between them goes one stream of lines
// out of band, a port of virtio-serial or a unix socket, so that no network of
// the machines is needed for it, and none is spared the stand-ins either: who
// is reached is asked of the machine's own network.
//
// It is for rehearsals only: whoever holds the stream commands the machine.
package machine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"ringboot/rehearsal/sim"
)

// Port is the name of the virtio-serial port, and Socket the path of the unix
// socket, at which a machine finds the world. Tools is where Link listens.
const (
	Port   = "ringboot.world"
	Socket = "/run/ringboot-practice/world"
	Tools  = "/run/ringboot-practice/tools"
)

// message is one line. An answer has the number of its request.
type message struct {
	ID int `json:",omitempty"`
	Do verb

	Path, To       string                `json:",omitempty"`
	Content        []byte                `json:",omitempty"`
	Mode           fs.FileMode           `json:",omitempty"`
	Argv, Env      []string              `json:",omitempty"`
	Stdin          []byte                `json:",omitempty"`
	Stdout, Stderr []byte                `json:",omitempty"`
	Code           int                   `json:",omitempty"`
	Tree           map[string]*sim.Entry `json:",omitempty"` // of /etc/pve; nil: removed
	Writable       bool                  `json:",omitempty"`
	Files          []file                `json:",omitempty"`
	Words          []string              `json:",omitempty"`
	Error          string                `json:",omitempty"`
	Absent         bool                  `json:",omitempty"` // the error is that there is no such file
}

type verb string

// What a machine tells the world.
const (
	doHello   verb = "hello"   // Path: its name, To: a nonce, Content: its speed
	doCall    verb = "call"    // Argv, Stdin, Env: a tool was called, ID is the call
	doHangUp  verb = "hang-up" // the caller of a tool is gone
	doChanged verb = "changed" // Tree: what was done below /etc/pve
	doAnswer  verb = "answer"
)

// What the world tells a machine.
const (
	doWelcome verb = "welcome" // To: the nonce
	doReady   verb = "ready"   // a service that was called runs
	doEnd     verb = "end"     // Stdout, Stderr, Code: of a call
	doShow    verb = "show"    // Tree, Writable: /etc/pve is to look like this
	doUnmount verb = "unmount" // /etc/pve is no more

	doRead, doWrite, doRemove, doRename verb = "read", "write", "remove", "rename"
	doSymlink, doMkdir, doChmod         verb = "symlink", "mkdir", "chmod"
	doLstat, doList, doSync             verb = "lstat", "list", "sync"
	doRun                               verb = "run" // Argv: a program of the machine
	doDial                              verb = "dial"
	doAddresses                         verb = "addresses"
)

// file is fs.FileInfo of a file of the machine.
type file struct {
	N string
	S int64
	M fs.FileMode
	T time.Time
}

func (f file) Name() string       { return f.N }
func (f file) Size() int64        { return f.S }
func (f file) Mode() fs.FileMode  { return f.M }
func (f file) ModTime() time.Time { return f.T }
func (f file) IsDir() bool        { return f.M.IsDir() }
func (f file) Sys() any           { return nil }

func fileOf(i fs.FileInfo) file { return file{i.Name(), i.Size(), i.Mode(), i.ModTime()} }

// stream sends and receives lines. What is sent waits in a queue, so that a
// machine that does not listen holds nobody up.
type stream struct {
	conn  io.ReadWriteCloser
	read  *bufio.Reader
	queue chan []byte
	ended chan struct{}
	end   sync.Once
}

// queueLength is more than any machine that listens ever leaves waiting.
const queueLength = 1 << 14

func newStream(conn io.ReadWriteCloser) *stream {
	s := &stream{conn: conn, read: bufio.NewReaderSize(conn, 1<<16), queue: make(chan []byte, queueLength), ended: make(chan struct{})}
	go s.pump()
	return s
}

func (s *stream) pump() {
	for {
		select {
		case line := <-s.queue:
			if _, err := s.conn.Write(line); err != nil {
				s.close()
				return
			}
		case <-s.ended:
			return
		}
	}
}

func (s *stream) close() {
	s.end.Do(func() {
		close(s.ended)
		_ = s.conn.Close()
	})
}

func (s *stream) send(m message) {
	line, err := json.Marshal(m)
	if err != nil {
		s.close()
		return
	}
	select {
	case s.queue <- append(line, '\n'):
	case <-s.ended:
	default:
		s.close()
	}
}

// next is the next whole message. What is none is passed over: a machine that
// lost its power has left half a line behind.
func (s *stream) next() (message, error) {
	for {
		line, err := s.read.ReadBytes('\n')
		if err != nil {
			return message{}, err
		}
		var m message
		if json.Unmarshal(line, &m) == nil && m.Do != "" {
			return m, nil
		}
	}
}

var errGone = errors.New("the machine does not answer: it is off, or its link ended")

// asker numbers requests and finds whom an answer is for.
type asker struct {
	mu      sync.Mutex
	last    int
	waiting map[int]chan message
}

func (a *asker) ask(ctx context.Context, s *stream, m message, limit time.Duration) (message, error) {
	answer := make(chan message, 1)
	a.mu.Lock()
	a.last++
	m.ID = a.last
	a.waiting[m.ID] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, m.ID)
		a.mu.Unlock()
	}()
	s.send(m)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case got := <-answer:
		switch {
		case got.Absent:
			return got, &fs.PathError{Op: string(m.Do), Path: m.Path, Err: fs.ErrNotExist}
		case got.Error != "":
			return got, errors.New(got.Error)
		}
		return got, nil
	case <-ctx.Done():
		return message{}, ctx.Err()
	case <-s.ended:
		return message{}, errGone
	case <-timer.C:
		return message{}, fmt.Errorf("%s %s: no answer within %s", m.Do, m.Path, limit)
	}
}

func (a *asker) answered(m message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[m.ID]; c != nil {
		c <- m
		delete(a.waiting, m.ID)
	}
}
