package keeper

import (
	"slices"
	"time"

	"ringboot/firstboot/status"
)

// How often a node looks whether what it tells everyone still holds, and how
// often once nothing has happened for stillAfter and all peers are there. A
// link, a peer or a step that changes is noticed by others at once; this is
// only how soon the network hears of it.
const (
	recordEvery = time.Second
	recordQuiet = 5 * time.Second
	stillAfter  = time.Minute
)

// stillness reports whether nothing happens on a node, so that what runs now and
// then may run more seldom.
type stillness struct {
	since time.Time // when something last changed, or was not as it should be
	peers []status.PeerStatus
}

// after takes note of a look: whether the node's own record is the same as
// before, and how its peers are.
func (s *stillness) after(same bool, peers []status.PeerStatus, now time.Time) bool {
	missing := func(p status.PeerStatus) bool { return !p.Trusted.OK || !p.Seen.OK }
	if !same || slices.ContainsFunc(peers, missing) || !slices.EqualFunc(s.peers, peers, samePeer) {
		s.since, s.peers = now, peers
	}
	return now.Sub(s.since) >= stillAfter
}

func samePeer(a, b status.PeerStatus) bool {
	return a.Node == b.Node && a.Member == b.Member && a.Phase == b.Phase && a.Waiting == b.Waiting
}
