package keeper

import (
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

func TestThreeAgentsTrustEachOtherAndNoticeFaults(t *testing.T) {
	need.Slow(t)
	t.Parallel()
	s := newSite(t, 3)
	var agents []*agent
	for i := range 3 {
		agents = append(agents, s.start(i))
	}
	for _, a := range agents {
		a.trusts(2)
		a.until("has seen both", func(l channelLine) bool { return l.Peers[0].Seen.OK && l.Peers[1].Seen.OK })
	}
	// One agent ends: the others say so, with the reason.
	agents[2].stop()
	l := agents[0].trusts(1)
	if p := peerOf(l, "node02"); p.Reachable.Why != "10.203.3.13:8643 refused" || p.Trusted.Why != "not reachable" {
		t.Errorf("a stopped agent: %+v", p)
	}
	agents[0].until("no longer sees it", func(l channelLine) bool {
		return strings.HasPrefix(peerOf(l, "node02").Seen.Why, "no record for ")
	})
	agents[2] = s.start(2)
	agents[0].trusts(2)
	agents[2].trusts(2)
	// The address of one changes: its record tells where it went.
	m := s.machines[1]
	for _, args := range [][]string{{"addr", "del", "10.203.3.12/24", "dev", "eth0"}, {"addr", "add", "10.203.3.77/24", "dev", "eth0"}} {
		if err := m.IP(args...); err != nil {
			t.Fatal(err)
		}
	}
	agents[0].until("trusts node01 at its new address", func(l channelLine) bool {
		p := peerOf(l, "node01")
		return p.Trusted.OK && p.Address == "10.203.3.77:8643"
	})
}

func TestALANThatEatsMulticast(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "nft:nftables")
	t.Parallel()
	s := newSite(t, 3)
	var agents []*agent
	for i := range 3 {
		if err := s.machines[i].Run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }; add rule inet t in udp dport 5353 drop"); err != nil {
			t.Fatal(err)
		}
		agents = append(agents, s.start(i))
	}
	for _, a := range agents {
		l := a.trusts(2)
		if p := l.Peers[0]; p.Seen.OK || p.Seen.Why != "no record of it was heard" {
			t.Errorf("%s: %+v", a.name, p)
		}
	}
}
