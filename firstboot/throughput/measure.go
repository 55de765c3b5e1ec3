package throughput

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Measure runs the three tests against a serving end: latency on the quiet
// link first, then packets of full size, then bandwidth.
func Measure(ctx context.Context, t Target) (Result, error) {
	var r Result
	r.MTU = t.MTU
	ctx, cancel := context.WithTimeout(ctx, t.Time+3*slack)
	defer cancel()
	trips, err := echo(ctx, t)
	if err != nil {
		return r, fmt.Errorf("latency to %s: %w", t.Addr, err)
	}
	r.Latency = latencyOf(trips)
	if t.MTU > 0 {
		r.FullSize = fullSize(ctx, t)
	}
	if err := stream(ctx, t, &r); err != nil {
		return r, fmt.Errorf("bandwidth to %s: %w", t.Addr, err)
	}
	return r, nil
}

// open connects, bound to the address and device that the target names.
func open(ctx context.Context, t Target, kind byte) (*net.TCPConn, func() bool, error) {
	dialer := net.Dialer{Timeout: slack, Control: func(_, _ string, c syscall.RawConn) error {
		return bindToDevice(c, t.Device)
	}}
	if t.Local.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.Local, 0))
	}
	c, err := dialer.DialContext(ctx, "tcp", t.Addr.String())
	if err != nil {
		return nil, nil, err
	}
	conn := c.(*net.TCPConn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	if _, err := conn.Write(append(t.Token[:], kind)); err != nil {
		stop()
		conn.Close()
		return nil, nil, err
	}
	return conn, stop, nil
}

func echo(ctx context.Context, t Target) ([]time.Duration, error) {
	conn, stop, err := open(ctx, t, kindEcho)
	if err != nil {
		return nil, err
	}
	defer stop()
	defer conn.Close()
	var message [echoSize]byte
	var trips []time.Duration
	// The first trips pay for routes and caches and are left out.
	for i := range echoTrips + 10 {
		conn.SetDeadline(time.Now().Add(slack))
		start := time.Now()
		if _, err := conn.Write(message[:]); err != nil {
			return nil, cause(ctx, err)
		}
		if _, err := io.ReadFull(conn, message[:]); err != nil {
			return nil, cause(ctx, err)
		}
		if i >= 10 {
			trips = append(trips, time.Since(start))
		}
	}
	return trips, nil
}

// cause turns the errors of a connection that the far end closed, or that the
// context closed, into what happened.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("the far end hung up: %w", ErrToken)
	}
	return err
}

// fullSize sends packets of exactly the MTU that no router may divide, and
// counts what comes back.
func fullSize(ctx context.Context, t Target) FullSize {
	var f FullSize
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return bindToDevice(c, t.Device) }}
	if t.Local.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.Local, 0))
	}
	c, err := dialer.DialContext(ctx, "udp", t.Addr.String())
	if err != nil {
		f.Error = err.Error()
		return f
	}
	conn := c.(*net.UDPConn)
	defer conn.Close()
	if err := dontFragment(conn); err != nil {
		f.Error = err.Error()
		return f
	}
	packet := make([]byte, t.MTU-headers)
	copy(packet, t.Token[:])
	back := make([]byte, 1<<16)
	for i := range fullSizeSent {
		if ctx.Err() != nil {
			return f
		}
		f.Sent++
		binary.BigEndian.PutUint32(packet[len(t.Token):], uint32(i))
		if _, err := conn.Write(packet); err != nil {
			f.Error = err.Error() // "message too long" where the own port's MTU is smaller
			continue
		}
		deadline := time.Now().Add(time.Second)
		for {
			conn.SetReadDeadline(deadline)
			n, err := conn.Read(back)
			if err != nil {
				f.Error = fmt.Sprintf("packet %d of %d bytes did not come back within a second", i+1, t.MTU)
				break
			}
			if n == len(packet) && binary.BigEndian.Uint32(back[len(t.Token):]) == uint32(i) {
				f.Returned++
				break
			}
		}
	}
	return f
}

func stream(ctx context.Context, t Target, r *Result) error {
	conn, stop, err := open(ctx, t, kindStream)
	if err != nil {
		return err
	}
	defer stop()
	defer conn.Close()
	block := make([]byte, blockSize)
	end := time.Now().Add(t.Time)
	conn.SetDeadline(end.Add(slack))
	for time.Now().Before(end) {
		if _, err := conn.Write(block); err != nil {
			return cause(ctx, err)
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return cause(ctx, err)
	}
	var sum [16]byte
	conn.SetDeadline(time.Now().Add(slack))
	if _, err := io.ReadFull(conn, sum[:]); err != nil {
		return cause(ctx, err)
	}
	r.Bytes = binary.BigEndian.Uint64(sum[:8])
	r.Elapsed = time.Duration(binary.BigEndian.Uint64(sum[8:]))
	if r.Elapsed > 0 {
		r.Gbit = float64(r.Bytes) * 8 / r.Elapsed.Seconds() / 1e9
	}
	// Asked at the end, when the far end has answered that everything came.
	info, err := tcpInfo(conn)
	if err != nil {
		return err
	}
	r.Retransmits, r.Segment = info.retransmits, info.segment
	return nil
}

// counters are what the kernel knows about a connection.
type counters struct {
	retransmits uint64
	segment     int
}
