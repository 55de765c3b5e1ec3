package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestOnlyOneChangesTheStore(t *testing.T) {
	var g grants
	if !g.take("a", true) || g.take("b", true) || !g.take("a", true) {
		t.Error("one holder may take again what it has, and nobody else")
	}
	g.take("b", false) // not its own
	if g.take("b", true) {
		t.Error("a right was given back by somebody who did not hold it")
	}
	g.take("a", false)
	if !g.take("b", true) {
		t.Error("what was given back is still held")
	}
	g.until = time.Now().Add(-time.Second) // b has died
	if !g.take("c", true) {
		t.Error("a dead holder keeps the right for ever")
	}
}

// TestMonitorIsWhatAnswers runs a monitor as a process of this test: it is
// there for who has the cluster's key, and gone when it ends.
func TestMonitorIsWhatAnswers(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PVESTANDIN_ROOT", root)
	t.Setenv("PVESTANDIN_NODE", "frege")
	write := func(path, text string) {
		t.Helper()
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a free port: 3300 may be taken
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	write(keyFile, "the key of this cluster")
	write("/var/lib/ceph/mon/ceph-frege/store.json", "{}")

	m := newReal(t.Context())
	if m.CephDaemon("frege", "127.0.0.1", port) != nil {
		t.Fatal("a monitor that does not run answers")
	}
	d := &daemon{ctx: t.Context(), m: m, err: io.Discard, grants: &grants{}}
	if err := d.listen(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
		t.Fatal(err)
	}
	m = newReal(t.Context()) // the first one leaves the silent address alone for a while
	mon := m.CephDaemon("frege", "127.0.0.1", port)
	if mon == nil {
		t.Fatal("the monitor does not answer")
	}
	if raw, err := mon.ReadFile("/var/lib/ceph/mon/ceph-frege/store.json"); err != nil || string(raw) != "{}" {
		t.Errorf("the store is %q: %v", raw, err)
	}
	other := newReal(t.Context())
	if !m.Claim(mon, true) || other.Claim(other.CephDaemon("frege", "127.0.0.1", port), true) {
		t.Error("two hold the right to change the store")
	}
	if wrong := (&remote{real: m, addrs: []string{"127.0.0.1"}, port: strconv.Itoa(port), key: []byte("another key")}); wrong.do(op{Do: "ping"}, nil) == nil {
		t.Error("the monitor answers who does not have the cluster's key")
	}
}
