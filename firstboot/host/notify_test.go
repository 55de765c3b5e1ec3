package host

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemd is the end of a notify socket that systemd has: it returns what it is told.
func systemd(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
}

func TestALongStopAsksForMoreTime(t *testing.T) {
	next := systemd(t)
	var n Notifier
	done := n.patience(20*time.Millisecond, time.Hour)
	for range 3 {
		if got := next(); got != "EXTEND_TIMEOUT_USEC=60000" {
			t.Errorf("systemd was told %q", got)
		}
	}
	done()
	n.Status("over\nand out")
	for got := next(); got != "STATUS=over and out"; got = next() {
		if !strings.HasPrefix(got, "EXTEND_TIMEOUT_USEC=") { // sent before done
			t.Fatalf("systemd was told %q", got)
		}
	}
}

func TestWhatHangsIsNotWaitedForForEver(t *testing.T) {
	next := systemd(t)
	var n Notifier
	done := n.patience(10*time.Millisecond, 30*time.Millisecond)
	for range 3 {
		if got := next(); got != "EXTEND_TIMEOUT_USEC=30000" {
			t.Errorf("systemd was told %q", got)
		}
	}
	done() // it has ended by itself: nothing more was asked for
	n.Ready()
	if got := next(); got != "READY=1" {
		t.Errorf("systemd was told %q", got)
	}
}
