package firstboot

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/trust"
)

// members is what pmxcfs says of the cluster's membership.
type members struct {
	mu  sync.Mutex
	now map[string]trust.State
}

// states returns the last reading.
func (m *members) states() map[string]trust.State {
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
func (m *members) follow(ctx context.Context, files interface{ ReadFile(string) ([]byte, error) }, quiet func() bool) {
	tick := time.NewTimer(membersEvery)
	defer tick.Stop()
	answers := make(chan map[string]trust.State, 1)
	asking := false
	for {
		if !asking {
			asking = true
			go func() {
				text, err := files.ReadFile("/etc/pve/.members")
				if err != nil {
					text = nil
				}
				answers <- parseMembers(text)
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

// parseMembers reads /etc/pve/.members. A node outside any cluster has a file
// without a cluster in it.
func parseMembers(text []byte) map[string]trust.State {
	var file struct {
		Cluster *struct {
			Name    string
			Quorate int
		}
		Nodelist map[string]struct {
			Online int
			IP     string
		}
	}
	out := map[string]trust.State{}
	if len(strings.TrimSpace(string(text))) == 0 || json.Unmarshal(text, &file) != nil || file.Cluster == nil {
		return out
	}
	for node, n := range file.Nodelist {
		switch {
		case n.Online != 1:
			out[node] = trust.State{Why: "in cluster " + file.Cluster.Name + ", not online"}
		case n.IP == "":
			out[node] = trust.State{Why: "in cluster " + file.Cluster.Name + ", its /etc/pve is not in step yet"}
		case file.Cluster.Quorate != 1:
			out[node] = trust.State{Why: "cluster " + file.Cluster.Name + " has no quorum"}
		default:
			out[node] = trust.State{OK: true}
		}
	}
	return out
}
