package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"ringboot/rehearsal/standin"
)

const (
	// claimFor is how long the right to change the store outlives its holder.
	claimFor = 5 * time.Second
	// deadFor is how long an address that did not answer is not asked again.
	deadFor = 2 * time.Second
)

var _ standin.CephHost = (*real)(nil)

// cephDaemon is a monitor, manager, metadata server or OSD. What makes it one
// is that it runs, that it listens on Ceph's network, and that it hands out
// what lies on its disk: the store of the monitors is in their files.
func cephDaemon(ctx context.Context, kind, id string, stderr io.Writer) error {
	d := &daemon{ctx: ctx, m: newReal(ctx), err: stderr, grants: &grants{}}
	for {
		address := standin.CephAddress(d.m, d.m.node, kind, id)
		if address != "" {
			at := net.JoinHostPort(address, strconv.Itoa(standin.CephPort(kind, id)))
			if err := d.listen(ctx, at); err != nil {
				return fmt.Errorf("%s.%s: %w", kind, id, err)
			}
			notifyReady()
			<-ctx.Done()
			d.work.Wait()
			return nil
		}
		select { // /etc/pve is there once this node has quorum
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// grants is who may change the store that a monitor keeps.
type grants struct {
	mu     sync.Mutex
	holder string
	until  time.Time
}

// take grants the right for a while, or gives it back.
func (g *grants) take(who string, want bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !want && g.holder == who:
		g.holder = ""
	case !want:
	case g.holder != "" && g.holder != who && time.Now().Before(g.until):
		return false
	default:
		g.holder, g.until = who, time.Now().Add(claimFor)
	}
	return true
}

// CephUnit has systemd start or stop a daemon, now and at every boot.
func (m *real) CephUnit(verb, unit string) { _, _, _ = m.command("systemctl", verb, "--now", unit) }

// CephDaemon asks what listens at an address of Ceph's network.
func (m *real) CephDaemon(node, address string, port int) standin.Machine {
	key, err := m.ReadFile(keyFile)
	at := strconv.Itoa(port)
	name := net.JoinHostPort(address, at)
	if err != nil || time.Now().Before(m.silent[name]) || time.Now().Before(m.silent[address]) {
		return nil
	}
	r := &remote{real: m, name: node, addrs: []string{address}, port: at, key: key}
	began := time.Now()
	if r.do(op{Do: "ping"}, nil) == nil {
		return r
	}
	if m.silent == nil {
		m.silent = map[string]time.Time{}
	}
	if time.Since(began) >= dialTime { // the machine itself does not answer, nor will its other ports
		name = address
	}
	m.silent[name] = time.Now().Add(deadFor)
	return nil
}

// Claim asks a monitor for the right to change the store.
func (m *real) Claim(monitor standin.Machine, take bool) bool {
	r, ok := monitor.(*remote)
	if !ok {
		return false
	}
	if m.token == "" {
		m.token = nonce()
	}
	want := "give"
	if take {
		want = "take"
	}
	return r.do(op{Do: "claim", Path: m.token, To: want}, nil) == nil
}
