package trust

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// limitListener closes connections beyond a number in all and per address at
// once, so that a flood costs an accept and nothing else.
type limitListener struct {
	net.Listener
	mu         sync.Mutex
	all, perIP int
	total      int
	open       map[string]int
}

// LimitListener closes connections beyond a number in all and per address.
func LimitListener(l net.Listener, all, perIP int) net.Listener {
	return &limitListener{Listener: l, all: all, perIP: perIP, open: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := hostOf(conn.RemoteAddr())
		if l.enter(ip) {
			return &limitedConn{Conn: conn, leave: func() { l.leave(ip) }}, nil
		}
		_ = conn.Close() // over the limit: nothing was promised
	}
}

func (l *limitListener) enter(ip string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.all || l.open[ip] >= l.perIP {
		return false
	}
	l.total++
	l.open[ip]++
	return true
}

func (l *limitListener) leave(ip string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.open[ip]--; l.open[ip] <= 0 {
		delete(l.open, ip)
	}
}

type limitedConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// Lines of log that strangers may cause.
const (
	linesPerMinute = 20
	lineLength     = 300
)

// lines passes on a bounded number of log lines and counts the rest.
type lines struct {
	mu      sync.Mutex
	now     func() time.Time
	out     func(string)
	since   time.Time
	n, lost int
}

// Write takes one line of the standard logger.
func (l *lines) Write(p []byte) (int, error) {
	if l.out == nil {
		return len(p), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) > time.Minute {
		if l.lost > 0 {
			l.out(fmt.Sprintf("%d more lines of this kind were left out", l.lost))
		}
		l.since, l.n, l.lost = now, 0, 0
	}
	if l.n++; l.n > linesPerMinute {
		l.lost++
		return len(p), nil
	}
	l.out(clip(strings.TrimSpace(string(p)), lineLength))
	return len(p), nil
}
