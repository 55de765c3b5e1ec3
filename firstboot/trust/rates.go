package trust

import (
	"sync"
	"time"
)

// maxBuckets bounds what is remembered of who asked. Only proven parties get
// as far, and forgetting them is kind.
const maxBuckets = 2048

// rates is a token bucket for each that asks.
type rates struct {
	mu   sync.Mutex
	now  func() time.Time // nil: nothing is counted
	have map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// by sets the clock.
func (r *rates) by(now func() time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
}

// take reports whether the rate leaves room for one more.
func (r *rates) take(key string, rate Rate) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return true
	}
	now := r.now()
	b, ok := r.have[key]
	if !ok {
		if r.have == nil || len(r.have) >= maxBuckets {
			r.have = map[string]*bucket{}
		}
		b = &bucket{tokens: float64(rate.Times), at: now}
		r.have[key] = b
	}
	b.tokens = min(float64(rate.Times), b.tokens+max(0, now.Sub(b.at).Seconds())*float64(rate.Times)/rate.Per.Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
