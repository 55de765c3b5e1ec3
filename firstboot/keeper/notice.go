package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"ringboot/firstboot/status"
)

// NoticeFile is where the keeper writes what somebody asked to be told. It can
// send nothing itself: ringboot-tell.service does, when the file changes.
const NoticeFile = StateDir + "/notices.json"

// Times of the notices.
const (
	noticeEvery = 5 * time.Second
	goneAfter   = 5 * time.Minute // a restart takes less
	flapAfter   = 30 * time.Second
	maxNotices  = 50
)

// Notice is one thing to tell.
type Notice struct {
	Number int       `json:"number"` // rises by one
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
}

// watch remembers what was told, so that each thing is told once.
type watch struct {
	links map[string]bool      // by port: it was up when last told
	since map[string]time.Time // by port or peer: since when it is otherwise
	gone  map[string]bool      // by peer: told that it is gone
	drift map[string]bool      // by sentence
	begun bool
}

func newWatch() *watch {
	return &watch{links: map[string]bool{}, since: map[string]time.Time{}, gone: map[string]bool{}, drift: map[string]bool{}}
}

// look compares a status with what was told and returns what is new. What was so
// from the start is not new.
func (w *watch) look(s status.Status, now time.Time) (out []string) {
	tell := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, p := range s.Ring.Ports {
		if p.Free {
			continue
		}
		if _, known := w.links[p.Name]; !known {
			w.links[p.Name] = p.Alive
		}
		if !w.lasts("port "+p.Name, p.Alive != w.links[p.Name], flapAfter, now) {
			continue
		}
		w.links[p.Name] = p.Alive
		if p.Alive {
			tell("the cable of %s to %s is back (%s)", s.Node, p.Peer, p.Name)
		} else {
			tell("the cable of %s at %s carries nothing: %s", s.Node, p.Name, p.Verdict)
		}
	}
	for _, p := range s.Peers {
		switch missing := w.lasts("peer "+p.Node, !p.Trusted.OK, goneAfter, now); {
		case missing && !w.gone[p.Node]:
			w.gone[p.Node] = true
			tell("%s does not answer %s any more: %s", p.Node, s.Node, p.Reachable.Why+p.Trusted.Why)
		case p.Trusted.OK && w.gone[p.Node]:
			w.gone[p.Node] = false
			tell("%s answers %s again", p.Node, s.Node)
		}
	}
	fresh := map[string]bool{}
	for _, d := range s.Drift {
		fresh[d.Text] = true
		if w.begun && !w.drift[d.Text] {
			tell("%s %s", s.Node, d.Text)
		}
	}
	w.drift, w.begun = fresh, true
	return out
}

// lasts reports whether something has been so for a while.
func (w *watch) lasts(key string, is bool, d time.Duration, now time.Time) bool {
	if !is {
		delete(w.since, key)
		return false
	}
	if _, known := w.since[key]; !known {
		w.since[key] = now
	}
	if now.Sub(w.since[key]) < d {
		return false
	}
	return true
}

// notice writes what is new for as long as the keeper lives.
func (k *Keeper) notice(ctx context.Context) error {
	w := newWatch()
	var all []Notice
	if text, err := k.files.ReadFile(NoticeFile); err == nil {
		_ = json.Unmarshal(text, &all) // torn: numbers begin anew, and at worst one is told twice
	}
	tick := time.NewTicker(noticeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		texts := w.look(k.Status(), now)
		if len(texts) == 0 {
			continue
		}
		last := 0
		if len(all) > 0 {
			last = all[len(all)-1].Number
		}
		for i, text := range texts {
			all = append(all, Notice{last + i + 1, now.UTC(), text})
			k.note(text)
		}
		all = slices.Clone(all[max(0, len(all)-maxNotices):])
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		if err := k.files.WriteFile(NoticeFile, append(text, '\n'), 0o600); err != nil {
			return fmt.Errorf("write what is to be told: %w", err)
		}
	}
}
