package keeper

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
)

// maxTold bounds what is kept of the keeper's own history.
const maxTold = 20

// history is the last things that happened since the keeper started.
type history struct {
	mu   sync.Mutex
	last []status.Event
}

func (h *history) add(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = append(h.last, status.Event{Time: time.Now(), Text: text})
	h.last = h.last[max(0, len(h.last)-maxTold):]
}

func (h *history) all() []status.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.last)
}

// look returns what root found last.
func (k *Keeper) look() Told {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.toldAt) < toldKeeps {
		return k.told
	}
	k.toldAt = time.Now()
	text, err := k.files.ReadFile(ToldFile)
	var t Told
	if err == nil && json.Unmarshal(text, &t) == nil {
		if err := host.Newer(ToldFile, t.Version, ToldVersion); err != nil {
			t = Told{Risks: []string{err.Error()}}
		}
		k.told = t
	}
	if text, err := k.files.ReadFile(PublicDir + "/report.json"); err == nil {
		if a, err := status.ReadAcceptance(text); err == nil {
			k.acceptance = a
		}
	}
	return k.told
}

// accepted is how the acceptance came out, as it was last looked at.
func (k *Keeper) accepted() *status.Acceptance {
	k.look()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.acceptance
}

// facts are those of the last look, with what the keeper knows better.
func (k *Keeper) facts() status.Facts {
	f := k.look().Facts
	f.Trusts = nil
	for _, p := range k.resident.Peers() {
		if p.Trusted.OK {
			f.Trusts = append(f.Trusts, p.Node)
		}
	}
	f.Time = time.Now()
	return f
}

// member is who was in the cluster at the last look, as far as it still
// answers: the keeper itself has no access to /etc/pve.
func (k *Keeper) member() map[string]status.State { return k.look().Member }

// Status is what the keeper says of its node.
func (k *Keeper) Status() status.Status {
	t, c := k.look(), k.charge
	s := status.Status{
		Version: 1, Node: c.Seed.Node, ClusterID: c.Seed.ClusterID, Agent: k.version, Plan: c.Seed.Plan.Cluster, PlanNode: c.Seed.Plan.Node,
		Phase: status.PhaseFormed, Step: len(c.Steps), Steps: len(c.Steps), Since: c.Settled, Plans: slices.Clone(c.Steps), Peers: k.resident.Peers(), Ring: k.ring.View(),
		Risks: k.warnings(t), Settled: c.Settled, Drift: slices.Clone(t.Drift), Looked: t.At, Events: append(slices.Clone(t.Events), k.events.all()...),
		Acceptance: k.accepted(), HostKeys: HostKeys(k.files),
	}
	if k.book != nil {
		s.Bindings = k.book.Hash()
	}
	s.Events = s.Events[max(0, len(s.Events)-maxTold):]
	if s.Peers == nil {
		s.Peers = []status.PeerStatus{}
	}
	for i, p := range s.Peers {
		if p.Member.OK && !p.Trusted.OK {
			s.Peers[i].Member = status.State{Why: "was a member at " + t.At.Local().Format(time.TimeOnly) + ", and does not answer now"}
		}
	}
	s.Verdict = s.Judge().Text()
	return s
}
