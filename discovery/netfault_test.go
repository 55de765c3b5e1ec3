package discovery

import (
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

func TestFaultsPassAndTheTableFollows(t *testing.T) {
	t.Parallel()
	_, _, machines := three(t, nil)
	nodes := allSee(t, machines)
	frege, russell := nodes[0], nodes[1]

	// The link goes and comes, several times.
	for range 3 {
		ok(t, machines[1].IP("link", "set", "eth0", "down"))
		frege.loses("russell")
		russell.until("says that nothing can be asked", func(l told) bool {
			return l.Err == "no interface is up, has an address and can multicast"
		})
		ok(t, machines[1].IP("link", "set", "eth0", "up"))
		frege.sees("russell")
		russell.sees("frege", "wittgenstein")
	}
	// The address changes.
	ok(t, machines[1].IP("addr", "flush", "dev", "eth0"))
	ok(t, machines[1].IP("addr", "add", "10.203.3.42/24", "dev", "eth0"))
	_, err := io.WriteString(russell.stdin, "10.203.3.42\n")
	ok(t, err)
	frege.until("sees russell's new address", func(l told) bool {
		p := l.Peers["russell"]
		return p.Alive && len(p.Record.Addresses) == 1 && p.Record.Addresses[0] == netip.MustParseAddr("10.203.3.42")
	})
	// The agent restarts.
	run := frege.last.Peers["russell"].Record.Run
	russell.stop()
	frege.loses("russell")
	start(t, machines[1], "russell 10.203.3.42").sees("frege", "wittgenstein")
	frege.until("sees russell's new start", func(l told) bool {
		p := l.Peers["russell"]
		return p.Alive && p.Record.Run != run && p.Clash == ""
	})
}

func TestAViewerHearsAndIsNotHeard(t *testing.T) {
	t.Parallel()
	l, sw, machines := three(t, nil)
	nodes := allSee(t, machines)
	sofa := must[*lan.Namespace](t)(l.Machine("sofa"))
	must[string](t)(sofa.Plug(sw, "10.203.3.99/24"))
	start(t, sofa, "viewer").sees("frege", "russell", "wittgenstein")
	if n := len(nodes[0].last.Peers); n != 2 {
		t.Errorf("frege knows %d peers, want 2", n)
	}
	// On a node itself the viewer hears that node, too.
	start(t, machines[0], "viewer").sees("frege", "russell")
}

func TestDigAndAvahiReadOurRecords(t *testing.T) {
	t.Parallel()
	need.Tools(t, "dig:dnsutils", "avahi-browse:avahi-utils", "avahi-daemon", "dbus-daemon:dbus")
	l, sw, machines := three(t, nil)
	allSee(t, machines)
	reader := must[*lan.Namespace](t)(l.Machine("reader"))
	must[string](t)(reader.Plug(sw, "10.203.3.98/24"))
	ok(t, reader.IP("route", "add", "default", "dev", "eth0"))

	out, err := reader.Command("dig", "@10.203.3.11", "-p", "5353", "+nocookie", "+tries=3", "+time=3", "-q", "_ringboot._tcp.local", "-t", "PTR", "-c", "CLASS32769").CombinedOutput()
	if text := string(out); err != nil || !strings.Contains(text, "._ringboot._tcp.local.") || !strings.Contains(text, `"n=`) || !strings.Contains(text, "SRV") {
		t.Errorf("dig: %v\n%s", err, out)
	}

	// Who asks from beyond the link is not answered, whatever the way back.
	ok(t, reader.IP("addr", "add", "198.51.100.7/32", "dev", "lo"))
	ok(t, machines[0].IP("route", "add", "198.51.100.7/32", "via", "10.203.3.98"))
	ok(t, machines[0].Command("ping", "-c", "1", "-W", "5", "198.51.100.7").Run())
	out, err = reader.Command("dig", "@10.203.3.11", "-b", "198.51.100.7", "-p", "5353", "+nocookie", "+tries=1", "+time=1", "-q", "_ringboot._tcp.local", "-t", "PTR", "-c", "CLASS32769").CombinedOutput()
	if err == nil || strings.Contains(string(out), "._ringboot._tcp.local.") {
		t.Errorf("who is no neighbour was answered:\n%s", out)
	}

	text := avahi(t, reader)
	for _, want := range []string{"=;eth0;IPv4;frege-", "10.203.3.11", `"n=russell"`, `"v=1"`, `;8643;`} {
		if !strings.Contains(text, want) {
			t.Errorf("avahi-browse does not show %q:\n%s", want, text)
		}
	}
}

// avahi runs the daemon with a bus of its own on the machine and returns what
// avahi-browse resolves.
func avahi(t *testing.T, m *lan.Namespace) string {
	t.Helper()
	dir := t.TempDir()
	ok(t, os.Chmod(dir, 0o755))
	bus := dir + "/bus"
	ok(t, os.WriteFile(dir+"/bus.conf", []byte(`<busconfig><type>system</type><listen>unix:path=`+bus+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/><allow receive_type="method_call"/><allow receive_type="signal"/><allow receive_type="method_return"/><allow receive_type="error"/></policy></busconfig>`), 0o644))
	ok(t, os.WriteFile(dir+"/avahi.conf", []byte("[server]\nuse-ipv6=no\nenable-dbus=yes\n[publish]\ndisable-publishing=yes\n"), 0o644))
	env := append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path="+bus)
	var seen string // what avahi-browse said last
	background := func(ready func() bool, argv ...string) {
		cmd := m.Command(argv...)
		cmd.Env = env
		var text strings.Builder
		cmd.Stdout, cmd.Stderr = &text, &text
		ok(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
			if t.Failed() {
				t.Logf("%s: %s", argv[0], text.String())
			}
		})
		for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not ready: %s", argv[0], seen)
			}
		}
	}
	background(func() bool { _, err := os.Stat(bus); return err == nil }, "dbus-daemon", "--nofork", "--config-file="+dir+"/bus.conf")
	browse := func() string {
		// With --terminate it ends before the first answer is there.
		cmd := m.Command("timeout", "2", "avahi-browse", "--resolve", "--parsable", "_ringboot._tcp")
		cmd.Env = env
		out, _ := cmd.CombinedOutput() // timeout's status says nothing
		return string(out)
	}
	// The daemon's private /run keeps it apart from one of the machine itself.
	background(func() bool {
		seen = browse()
		return strings.Contains(seen, "=;eth0;IPv4;frege") && strings.Contains(seen, "=;eth0;IPv4;russell")
	}, "unshare", "-m", "sh", "-c", "mount -t tmpfs none /run && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "+dir+"/avahi.conf")
	return seen
}
