package throughput

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringboot/rehearsal/need"
)

// What a bad cable does to what goes from namespace a to b.
const (
	badLoss = 0.02
	badGbit = 0.2
)

// newBadCable joins the namespaces by a process between them that loses and
// slows down: not every kernel has a queueing discipline for that.
func newBadCable(t testing.TB) cable {
	t.Helper()
	need.Root(t)
	need.Tools(t, "ip:iproute2", "ethtool")
	c := cable{t, fmt.Sprintf("rbt-%d-a", os.Getpid()), fmt.Sprintf("rbt-%d-b", os.Getpid())}
	between := fmt.Sprintf("rbt-%d-m", os.Getpid())
	c.rooms(c.a, c.b, between)
	for ns, end := range map[string]string{c.a: "left", c.b: "right"} {
		c.run("ip", "-n", ns, "link", "add", "cable", "type", "veth", "peer", "name", end, "netns", between)
		c.run("ip", "-n", between, "link", "set", end, "mtu", "9000", "up")
		// Frames of the cable's size, not the kernel's bundles of them.
		c.run("ip", "netns", "exec", ns, "ethtool", "-K", "cable", "tso", "off", "gso", "off", "gro", "off", "tx", "off")
	}
	c.up(9000, 9000)
	relay := exec.Command("ip", "netns", "exec", between, os.Args[0])
	relay.Env = append(os.Environ(), "RINGBOOT_END=relay")
	stdin, err := relay.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := relay.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := relay.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); relay.Wait() })
	line := make([]byte, 64)
	if n, err := stdout.Read(line); err != nil || string(line[:n]) != "relays\n" {
		t.Fatalf("the bad cable: %v: %s", err, line[:n])
	}
	return c
}

// badCable relays frames between left and right until its input is closed.
func badCable() error {
	left, err := packets("left")
	if err != nil {
		return err
	}
	right, err := packets("right")
	if err != nil {
		return err
	}
	go relay(right, left, func(int) bool { return true })
	free := time.Now() // when the cable has room again
	go relay(left, right, func(bytes int) bool {
		if rand.Float64() < badLoss {
			return false
		}
		free = free.Add(time.Duration(float64(8*bytes) / badGbit)) // bits by Gbit/s are nanoseconds
		if now := time.Now(); free.Before(now) {
			free = now
		}
		time.Sleep(time.Until(free))
		return true
	})
	fmt.Println("relays")
	os.Stdin.Read(make([]byte, 1)) // until the parent closes the pipe
	return nil
}

// packets opens a device for whole frames.
func packets(device string) (int, error) {
	i, err := net.InterfaceByName(device)
	if err != nil {
		return 0, err
	}
	all := uint16(unix.ETH_P_ALL>>8 | unix.ETH_P_ALL<<8) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return 0, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
}

func relay(from, to int, passes func(bytes int) bool) {
	frame := make([]byte, 1<<16)
	for {
		n, sender, err := unix.Recvfrom(from, frame, 0)
		if err != nil {
			continue
		}
		// What this end itself has sent is seen as well.
		if l, ok := sender.(*unix.SockaddrLinklayer); ok && l.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if passes(n) {
			unix.Write(to, frame[:n])
		}
	}
}
