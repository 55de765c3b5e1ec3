package firstboot

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"ringboot/firstboot/keeper"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
)

// besideTimeout bounds one question to this node's keeper.
const besideTimeout = 2 * time.Second

// besideKeeps is how long the keeper's answer is good: one look asks for it often.
const besideKeeps = 2 * time.Second

// beside is the ring and the peers as this node's keeper sees them, for a pass
// that runs while the keeper keeps both.
type beside struct {
	socket string
	ports  []string // their names, in the order of the configuration
	known  []string // who is at them, as far as was remembered before

	mu   sync.Mutex
	at   time.Time
	last status.Status
	ok   bool
}

// newBeside returns what asks the keeper below a root. known are the nodes that
// were at the ports before: a keeper that has just started does not say yet.
func newBeside(root string, cfg layout.Config, known []string) *beside {
	b := &beside{socket: filepath.Join(root, keeper.Socket), known: known}
	for _, p := range cfg.Ports {
		b.ports = append(b.ports, p.Name)
	}
	return b
}

// ask returns what the keeper says, and whether one answers.
func (b *beside) ask() (status.Status, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.at) < besideKeeps {
		return b.last, b.ok
	}
	ctx, cancel := context.WithTimeout(context.Background(), besideTimeout)
	defer cancel()
	var s status.Status
	err := keeper.Ask(ctx, b.socket, trust.MethodStatus, nil, &s)
	b.at, b.last, b.ok = time.Now(), s, err == nil
	return b.last, b.ok
}

// View is the ring.
func (b *beside) View() status.RingView {
	s, ok := b.ask()
	if !ok {
		return status.RingView{Verdict: "the keeper of the ring does not answer: see systemctl status ringboot-keeper"}
	}
	return s.Ring
}

// Peers are the nodes at the ports.
func (b *beside) Peers() []string {
	out := make([]string, len(b.ports))
	copy(out, b.known)
	for _, p := range b.View().Ports {
		for i, name := range b.ports {
			if p.Name == name && p.Peer != "" {
				out[i] = p.Peer
			}
		}
	}
	return out
}

// Ready reports whether the keeper answers.
func (b *beside) Ready() bool {
	_, ok := b.ask()
	return ok
}

// Kick has the next question asked anew; the keeper mends by itself.
func (b *beside) Kick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = time.Time{}
}

// nodes are the states of the other nodes.
func (b *beside) nodes() []status.PeerStatus {
	s, _ := b.ask()
	return s.Peers
}
