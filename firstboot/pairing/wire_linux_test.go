package pairing

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

var networks atomic.Int64

// in runs f on a thread inside a machine's namespace.
func in[T any](t *testing.T, m *lan.Namespace, f func() (T, error)) T {
	t.Helper()
	var v T
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // it ends with the goroutine
		ns, err := os.Open("/run/netns/" + m.NS)
		if err == nil {
			defer ns.Close()
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			v, err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return v
}

// hops is a plain socket whose packets have this hop limit, from an address of the machine.
func hops(t *testing.T, m *lan.Namespace, from string, limit int) *net.UDPConn {
	t.Helper()
	return in(t, m, func() (*net.UDPConn, error) {
		addr, err := net.ResolveUDPAddr("udp6", from)
		if err != nil {
			return nil, err
		}
		conn, err := net.ListenUDP("udp6", addr)
		if err != nil {
			return nil, err
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return nil, err
		}
		var set error
		err = raw.Control(func(fd uintptr) {
			set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, limit)
		})
		if err == nil {
			err = set
		}
		return conn, err
	})
}

// What a router passed on, and what has another address than one of the link, is
// not heard; what comes from the other end of the cable is.
func TestOnlyTheCableIsHeard(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "ip:iproute2")
	n, err := lan.New(&networks)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	here, err := n.Machine("here")
	if err != nil {
		t.Fatal(err)
	}
	there, err := n.Machine("there")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"link", "add", "en05", "type", "veth", "peer", "name", "en06", "netns", there.NS}, {"link", "set", "en05", "up"},
	} {
		if err := here.IP(args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"link", "set", "en06", "up"}, {"address", "add", "fd00::2/64", "dev", "en06", "nodad"}} {
		if err := there.IP(args...); err != nil {
			t.Fatal(err)
		}
	}
	w := in(t, here, func() (Wire, error) { return Listen(t.Context(), "en05") })
	defer w.Close()
	index := in(t, there, func() (int, error) { i, err := net.InterfaceByName("en06"); return i.Index, err })
	to := &net.UDPAddr{IP: net.IPv6linklocalallnodes, Port: Port, Zone: fmt.Sprint(index)}
	heard := make(chan string, 64)
	go func() {
		buffer := make([]byte, maxDatagram)
		for {
			n, err := w.Receive(buffer)
			if err != nil {
				return
			}
			heard <- string(buffer[:n])
		}
	}()
	other := in(t, there, func() (Wire, error) { return Listen(t.Context(), "en06") })
	defer other.Close()
	plain := []struct {
		says string
		conn *net.UDPConn
	}{{"routed", hops(t, there, "[::]:0", 64)}, {"from elsewhere", hops(t, there, "[fd00::2]:0", onLink)}, {"plain", hops(t, there, "[::]:0", onLink)}}
	got := map[string]bool{}
	// An address of the link is good after a second; until then nothing leaves.
	for deadline := time.Now().Add(time.Minute); !got["plain"] || !got["wire"]; {
		for _, p := range plain {
			_, _ = p.conn.WriteToUDP([]byte(p.says), to)
		}
		_ = other.Send([]byte("wire"))
		select {
		case text := <-heard:
			got[text] = true
		case <-time.After(100 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatalf("heard only %v", got)
			}
		}
	}
	if got["routed"] || got["from elsewhere"] {
		t.Errorf("heard %v", got)
	}
	second := func() (struct{}, error) {
		if _, err := Listen(t.Context(), "en05"); err == nil || err.Error() != "a pairing runs over en05 already: end it, or use it" {
			t.Errorf("a second pairing at the port: %v", err)
		}
		return struct{}{}, nil
	}
	in(t, here, second)
}
