package keeper

import (
	"sync"
	"time"
)

// What strangers on the network cause is in the system's journal. Of the node's
// own history, which is short and flushed at each entry, they get little: as
// much as tells that somebody is there.
const (
	strangeNotes = 3
	strangePer   = time.Hour
)

// ration counts what was given within a time.
type ration struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

// take reports whether there is one more.
func (r *ration) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= strangePer || now.Before(r.since) {
		r.since, r.n = now, 0
	}
	r.n++
	return r.n <= strangeNotes
}

// noise takes a line about a stranger.
func (c *Resident) noise(text string) {
	if c.strange.take(time.Now()) {
		c.note(text)
		return
	}
	c.o.Log(text)
}
