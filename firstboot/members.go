package firstboot

import (
	"context"
	"sync"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
)

// members is what pmxcfs says of the cluster's membership.
type members struct {
	mu  sync.Mutex
	now map[string]status.State
}

// states returns the last reading.
func (m *members) states() map[string]status.State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// How often membership is read, and how often while nothing happens.
const (
	membersEvery = 3 * time.Second
	membersQuiet = 15 * time.Second
)

// follow reads membership now and then, apart from everything else: reading
// /etc/pve may hang for as long as pmxcfs does.
func (m *members) follow(ctx context.Context, node pve.Local, quiet func() bool) {
	tick := time.NewTimer(membersEvery)
	defer tick.Stop()
	answers := make(chan map[string]status.State, 1)
	asking := false
	for {
		if !asking {
			asking = true
			go func() {
				m, err := node.Membership()
				if err != nil {
					m = pve.Membership{}
				}
				answers <- membersOf(m)
			}()
		}
		select {
		case <-ctx.Done():
			return
		case got := <-answers:
			asking = false
			m.mu.Lock()
			m.now = got
			m.mu.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		case <-tick.C:
		}
		every := membersEvery
		if quiet() {
			every = membersQuiet
		}
		tick.Reset(every)
	}
}

// membersOf turns what pmxcfs says into the states of the nodes. A node
// outside any cluster has a file without a cluster in it.
func membersOf(m pve.Membership) map[string]status.State {
	out := map[string]status.State{}
	if m.Cluster.Name == "" {
		return out
	}
	for node, n := range m.Nodes {
		switch {
		case n.Online != 1:
			out[node] = status.State{Why: "in cluster " + m.Cluster.Name + ", not online"}
		case n.IP == "":
			out[node] = status.State{Why: "in cluster " + m.Cluster.Name + ", its " + pve.Dir + " is not in step yet"}
		case m.Cluster.Quorate != 1:
			out[node] = status.State{Why: "cluster " + m.Cluster.Name + " has no quorum"}
		default:
			out[node] = status.State{OK: true}
		}
	}
	return out
}
