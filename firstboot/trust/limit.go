package trust

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// limitListener bounds the connections in all and per address. When all places
// are taken, one that nobody has proven anything on yet makes room, of the
// address that has the most: who has few is let in beside a flood from many.
type limitListener struct {
	net.Listener
	mu         sync.Mutex
	all, perIP int
	total      int
	open       map[string][]*limitedConn // by address, the oldest first
}

// LimitListener closes connections beyond a number per address, and in all
// those of whom has the most.
func LimitListener(l net.Listener, all, perIP int) net.Listener {
	return &limitListener{Listener: l, all: all, perIP: perIP, open: map[string][]*limitedConn{}}
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &limitedConn{Conn: conn, of: l, ip: hostOf(conn.RemoteAddr())}
		gone, ok := l.enter(c)
		if gone != nil {
			_ = gone.Conn.Close() // its reader notices; nothing was promised
		}
		if ok {
			return c, nil
		}
		_ = conn.Close() // over the limit: nothing was promised
	}
}

// enter takes a connection in, for which another one may have to go.
func (l *limitListener) enter(c *limitedConn) (gone *limitedConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	has := len(l.open[c.ip])
	if has >= l.perIP {
		return nil, false
	}
	if l.total >= l.all {
		if gone = l.dearest(has); gone == nil {
			return nil, false
		}
		l.forget(gone)
	}
	l.open[c.ip] = append(l.open[c.ip], c)
	l.total++
	return gone, true
}

// dearest is the connection that goes first for one of an address that has so
// many: an unproven one before a proven one, then one of whom has the most.
// Nobody who has as few gives way, nor a proven one unless two more are there.
func (l *limitListener) dearest(has int) (out *limitedConn) {
	most := 0
	for _, list := range l.open {
		i := slices.IndexFunc(list, func(c *limitedConn) bool { return !c.proven })
		weight := len(list)
		switch {
		case i >= 0 && weight > has:
			weight += l.all // before all proven ones
		case i < 0 && weight > has+2:
			i = 0
		default:
			continue
		}
		if weight > most {
			most, out = weight, list[i]
		}
	}
	return out
}

// forget gives a connection's place back, once. The caller holds the lock.
func (l *limitListener) forget(c *limitedConn) {
	list := l.open[c.ip]
	i := slices.Index(list, c)
	if i < 0 {
		return
	}
	l.total--
	if l.open[c.ip] = slices.Delete(list, i, i+1); len(l.open[c.ip]) == 0 {
		delete(l.open, c.ip)
	}
}

type limitedConn struct {
	net.Conn
	of     *limitListener
	ip     string
	proven bool // guarded by of.mu
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.of.mu.Lock()
	c.of.forget(c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// proven tells the listener of a connection that whoever is at its far end has
// proven himself, so that it is not given up for a stranger's.
func proven(conn net.Conn) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if c, ok := conn.(*limitedConn); ok {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.proven = true
	}
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
