// Package cable connects virtual machines: a switch for the management network
// over unix datagram sockets, a stand-in of the router at home that answers as
// the gateway, and a listener for what the nodes announce.
//
// No packet reaches a network of the host: there is no tap, no route and no
// multicast socket, only frames between sockets in a directory.
package cable

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// mac is a hardware address (IEEE 802: 48 bits).
type mac [6]byte

// group reports whether the address is a multicast or broadcast one.
func (m mac) group() bool { return m[0]&1 != 0 }

// maxFrame is the longest frame that a virtual card sends: 64 KiB of payload.
const maxFrame = 65536 + 14

// queue is how many frames wait for a machine that does not read. More are
// dropped, as a switch does.
const queue = 512

// Switch forwards Ethernet frames between its ports and learns who is where.
type Switch struct {
	dir   string
	ports []*port
	mu    sync.Mutex
	where map[mac]*port
	taps  []func(frame []byte)
	drop  atomic.Pointer[func(frame []byte) bool]
	done  sync.WaitGroup
}

// port is one socket of the switch, or a stand-in inside it.
type port struct {
	name   string
	conn   *net.UnixConn
	remote *net.UnixAddr
	out    chan []byte
	inside func(frame []byte)
}

// NewSwitch makes a switch whose sockets lie in dir. Frames that drop says so
// of are lost on the way.
func NewSwitch(dir string) *Switch {
	return &Switch{dir: dir, where: map[mac]*port{}}
}

// Tap hands every frame to f, in the order of arrival. Before Run only.
func (s *Switch) Tap(f func(frame []byte)) { s.taps = append(s.taps, f) }

// Drop loses the frames that lose tells; nil loses none. At any time.
func (s *Switch) Drop(lose func(frame []byte) bool) { s.drop.Store(&lose) }

// Plug adds a port and returns the socket's paths as a machine uses them:
// where it receives, and where it sends to. Before Run only.
func (s *Switch) Plug(name string) (local, remote string, err error) {
	local, remote = filepath.Join(s.dir, name+".m"), filepath.Join(s.dir, name+".s")
	if err := os.Remove(remote); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", "", err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: remote, Net: "unixgram"})
	if err != nil {
		return "", "", fmt.Errorf("switch port %s: %w", name, err)
	}
	conn.SetReadBuffer(4 << 20)  //nolint:errcheck // a smaller one only loses more
	conn.SetWriteBuffer(4 << 20) //nolint:errcheck
	s.ports = append(s.ports, &port{name: name, conn: conn, out: make(chan []byte, queue), remote: &net.UnixAddr{Name: local, Net: "unixgram"}})
	return local, remote, nil
}

// inside adds a stand-in as a port and returns how it sends.
func (s *Switch) inside(name string, receive func(frame []byte)) (send func(frame []byte)) {
	p := &port{name: name, inside: receive}
	s.ports = append(s.ports, p)
	return func(frame []byte) { s.forward(p, frame) }
}

// Run forwards until the context ends.
func (s *Switch) Run(ctx context.Context) {
	for _, p := range s.ports {
		if p.conn == nil {
			continue
		}
		s.done.Go(func() { s.receive(p) })
		s.done.Go(func() { p.send(ctx) })
	}
	<-ctx.Done()
	for _, p := range s.ports {
		if p.conn != nil {
			p.conn.Close()
			os.Remove(p.conn.LocalAddr().String()) //nolint:errcheck // the directory goes with it
		}
	}
	s.done.Wait()
}

func (s *Switch) receive(p *port) {
	buffer := make([]byte, maxFrame)
	for {
		n, err := p.conn.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && n >= headerSize {
			s.forward(p, append([]byte(nil), buffer[:n]...))
		}
	}
}

// headerSize is an Ethernet header: two addresses and a type.
const headerSize = 14

func (s *Switch) forward(from *port, frame []byte) {
	if lose := s.drop.Load(); lose != nil && *lose != nil && (*lose)(frame) {
		return
	}
	for _, tap := range s.taps {
		tap(frame)
	}
	to, source := mac(frame[0:6]), mac(frame[6:12])
	s.mu.Lock()
	if !source.group() {
		s.where[source] = from
	}
	known := s.where[to]
	s.mu.Unlock()
	for _, p := range s.ports {
		if p == from || known != nil && p != known && !to.group() {
			continue
		}
		if p.inside != nil {
			p.inside(frame)
			continue
		}
		select {
		case p.out <- frame:
		default: // the machine does not read
		}
	}
}

// sendTime bounds how long a frame waits for a machine that has stopped
// reading, and sendPause is how often it is tried.
const (
	sendTime  = time.Second
	sendPause = 5 * time.Millisecond
)

// send hands frames to the machine, as fast as it takes them. A socket of
// datagrams is said to be ready while the one at its other end is full, so a
// write that waits would turn in a circle: it must not wait.
func (p *port) send(ctx context.Context) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return
	}
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case frame := <-p.out:
			for end := time.Now().Add(sendTime); full(raw, frame, p.remote.Name) && time.Now().Before(end); {
				retry.Reset(sendPause)
				select {
				case <-ctx.Done():
					return
				case <-retry.C:
				}
			}
		}
	}
}
