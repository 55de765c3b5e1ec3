package throughput

import (
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindToDevice ties a socket to one network device, so that the link under
// test is measured and not the way round the ring.
func bindToDevice(c syscall.RawConn, device string) error {
	if device == "" {
		return nil
	}
	var failed error
	if err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), device) }); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("bind the test to %s: %w", device, failed)
	}
	return nil
}

// dontFragment sets "don't fragment" and ignores what the kernel has learnt
// about the path: the packet itself is the test (ip(7), IP_PMTUDISC_PROBE).
func dontFragment(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	}); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("set don't fragment: %w", failed)
	}
	return nil
}

func tcpInfo(conn *net.TCPConn) (counters, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return counters{}, err
	}
	var out counters
	var failed error
	if err := raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); failed == nil {
			out = counters{retransmits: uint64(info.Total_retrans), segment: int(info.Snd_mss)}
		}
	}); err != nil {
		return counters{}, err
	}
	if failed != nil {
		return counters{}, fmt.Errorf("read the connection's counters: %w", failed)
	}
	return out, nil
}
