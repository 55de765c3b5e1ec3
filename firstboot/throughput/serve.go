package throughput

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Server is the passive end of measurements.
type Server struct {
	tcp   *net.TCPListener
	udp   *net.UDPConn
	token Token
	from  netip.Addr
	wait  sync.WaitGroup
}

// Listen opens the serving end on an address of this node, with a port that
// the system chooses, for measurements that come from one peer only.
func Listen(local, from netip.Addr, token Token) (*Server, error) {
	// TCP and UDP must share the number; another program may hold one of the two.
	for range 16 {
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		if err != nil {
			return nil, fmt.Errorf("listen on %s for a throughput test: %w", local, err)
		}
		port := tcp.Addr().(*net.TCPAddr).AddrPort().Port()
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, port)))
		if err != nil {
			tcp.Close()
			continue
		}
		if err := dontFragment(udp); err != nil {
			tcp.Close()
			udp.Close()
			return nil, err
		}
		return &Server{tcp: tcp, udp: udp, token: token, from: from}, nil
	}
	return nil, fmt.Errorf("no port of %s is free for both TCP and UDP", local)
}

// Addr is where it listens.
func (s *Server) Addr() netip.AddrPort { return s.tcp.Addr().(*net.TCPAddr).AddrPort() }

// Serve answers measurements until ctx ends, and returns when every one of
// its connections is closed.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.tcp.Close(); s.udp.Close() })
	defer stop()
	defer s.wait.Wait()
	s.wait.Go(s.echoDatagrams)
	for {
		conn, err := s.tcp.AcceptTCP()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			s.udp.Close()
			return fmt.Errorf("accept a throughput test on %s: %w", s.Addr(), err)
		}
		if conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap() != s.from {
			conn.Close()
			continue
		}
		s.wait.Go(func() {
			defer conn.Close()
			done := context.AfterFunc(ctx, func() { conn.Close() })
			defer done()
			s.answer(conn)
		})
	}
}

// answer serves one connection. Its errors are the measuring end's to report.
func (s *Server) answer(conn *net.TCPConn) {
	conn.SetDeadline(time.Now().Add(helloTime))
	var hello [len(Token{}) + 1]byte
	if _, err := io.ReadFull(conn, hello[:]); err != nil {
		return
	}
	if subtle.ConstantTimeCompare(hello[:len(Token{})], s.token[:]) != 1 {
		return
	}
	conn.SetDeadline(time.Time{})
	switch hello[len(Token{})] {
	case kindStream:
		count, elapsed := drain(conn)
		var sum [16]byte
		binary.BigEndian.PutUint64(sum[:8], count)
		binary.BigEndian.PutUint64(sum[8:], uint64(elapsed))
		conn.SetDeadline(time.Now().Add(slack))
		_, _ = conn.Write(sum[:]) // the measuring end misses it, and says so
	case kindEcho:
		var message [echoSize]byte
		for {
			conn.SetDeadline(time.Now().Add(slack))
			if _, err := io.ReadFull(conn, message[:]); err != nil {
				return
			}
			if _, err := conn.Write(message[:]); err != nil {
				return
			}
		}
	}
}

// drain counts what arrives until the sender shuts down, and the time from
// the first byte to the last.
func drain(conn *net.TCPConn) (count uint64, elapsed time.Duration) {
	block := make([]byte, blockSize)
	var first, last time.Time
	for {
		n, err := conn.Read(block)
		if n > 0 {
			if count == 0 {
				first = time.Now()
			}
			count += uint64(n)
		}
		if err != nil {
			last = time.Now()
			break
		}
	}
	if count == 0 {
		return 0, 0
	}
	return count, last.Sub(first)
}

// echoDatagrams sends every datagram that starts with the token back whole.
func (s *Server) echoDatagrams() {
	packet := make([]byte, 1<<16)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		if from.Addr().Unmap() != s.from || n < len(s.token) ||
			subtle.ConstantTimeCompare(packet[:len(s.token)], s.token[:]) != 1 {
			continue
		}
		_, _ = s.udp.WriteToUDPAddrPort(packet[:n], from) // a packet that is lost is what is measured
	}
}
