package keeper

import (
	"testing"
	"time"

	"ringboot/firstboot/status"
)

func TestANodeIsStillWhenNothingHappensForAMinute(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	s := stillness{since: now}
	yes := status.State{OK: true}
	peers := func(phase string, trusted status.State) []status.PeerStatus {
		return []status.PeerStatus{{Node: "russell", Seen: yes, Trusted: trusted, Phase: phase}, {Node: "wittgenstein", Seen: yes, Trusted: yes, LastSeen: now}}
	}
	look := func(what string, want, same bool, all []status.PeerStatus) {
		t.Helper()
		if now = now.Add(time.Second); s.after(same, all, now) != want {
			t.Errorf("%s: still is %v", what, !want)
		}
	}
	look("at the start", false, true, peers("formed", yes))
	now = now.Add(stillAfter)
	look("a minute later", true, true, peers("formed", yes))
	look("own record changed", false, false, peers("formed", yes))
	now = now.Add(stillAfter)
	look("a minute later", true, true, peers("formed", yes))
	look("a peer is in another phase", false, true, peers("ceph", yes))
	now = now.Add(stillAfter)
	look("a minute later", true, true, peers("ceph", yes))
	look("a peer is gone", false, true, peers("ceph", status.State{Why: "refused"}))
	now = now.Add(time.Hour)
	look("it stays away", false, true, peers("ceph", status.State{Why: "refused"}))
}
