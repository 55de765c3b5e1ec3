// Package journal keeps what an agent cannot read from the system: what it
// meant to do, and what happened.
//
// It never holds state. Whether a step is done is asked of the system each
// time; a journal that is lost costs history and nothing else. The file is
// JSON, replaced atomically and flushed on every change.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"ringboot/firstboot/host"
)

// Path is where an agent keeps its journal.
const Path = "/var/lib/ringboot/journal.json"

// formatVersion is the value of the key "version" of the file.
const formatVersion = 1

// maxEvents bounds the history; older events go.
const maxEvents = 400

// Event is one thing that happened.
type Event struct {
	Time time.Time `json:"time"`
	Step string    `json:"step,omitempty"`
	Text string    `json:"text"`
}

// content is the file.
type content struct {
	Version int               `json:"version"`
	Intent  map[string]string `json:"intent,omitempty"` // by step: what Apply was about to do
	Since   map[string]Since  `json:"since,omitempty"`  // by step: in which state, since when
	Events  []Event           `json:"events,omitempty"`
}

// Since says when a step came into its state, for people only.
type Since struct {
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time"`
}

// Journal is the open journal. All methods may be called from any goroutine.
type Journal struct {
	files host.Files
	clock host.Clock
	path  string

	mu    sync.Mutex
	file  content
	dirty bool // the last change did not reach the disk
}

// Open reads the journal at path. A missing one is empty, and so is one that
// cannot be read or understood, because it only holds history: it is replaced at
// the next change. That of a newer agent is refused. Open itself changes nothing.
// Its error is else that of a machine which is gone.
func Open(files host.Files, clock host.Clock, path string) (*Journal, error) {
	j := &Journal{files: files, clock: clock, path: path, file: content{Version: formatVersion}}
	text, err := files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	var bad *fs.PathError // of the disk, or of who made a directory of it
	if err != nil && !errors.As(err, &bad) {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	var read content
	err = json.Unmarshal(text, &read)
	if bad == nil && err == nil && read.Version > formatVersion {
		return nil, host.Newer(path, read.Version, formatVersion)
	}
	if bad != nil || err != nil || read.Version != formatVersion {
		j.file.Events = []Event{{Time: clock.Now(), Text: path + " could not be read" + because(bad) + ", the history before this is lost"}}
		return j, nil
	}
	j.file = read
	return j, nil
}

// because is what a disk said, "" where it said nothing.
func because(bad *fs.PathError) string {
	if bad == nil {
		return ""
	}
	return " (" + bad.Err.Error() + ")"
}

// Intend notes what a step is about to do.
func (j *Journal) Intend(step, what string) error {
	return j.change(func(c *content) bool {
		if c.Intent[step] == what {
			return false
		}
		if c.Intent == nil {
			c.Intent = map[string]string{}
		}
		c.Intent[step] = what
		return true
	})
}

// Intent returns what a step was about to do, or "".
func (j *Journal) Intent(step string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.file.Intent[step]
}

// Settle forgets what a step was about to do.
func (j *Journal) Settle(step string) error {
	return j.change(func(c *content) bool {
		if _, ok := c.Intent[step]; !ok {
			return false
		}
		delete(c.Intent, step)
		return true
	})
}

// Note adds an event. step may be "".
func (j *Journal) Note(step, text string) error {
	return j.change(func(c *content) bool {
		c.Events = append(c.Events, Event{Time: j.clock.Now().UTC(), Step: step, Text: text})
		if over := len(c.Events) - maxEvents; over > 0 {
			c.Events = slices.Clone(c.Events[over:])
		}
		return true
	})
}

// Events returns the last n events, oldest first.
func (j *Journal) Events(n int) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.file.Events[max(0, len(j.file.Events)-n):])
}

// Enter notes the state of a step and returns since when it is in it. The
// time changes with the state only; a new reason alone is not flushed.
func (j *Journal) Enter(step, state, reason string) (time.Time, error) {
	now := j.clock.Now().UTC()
	err := j.change(func(c *content) bool {
		old, known := c.Since[step]
		if known && old.State == state {
			now = old.Time
			old.Reason = reason
			c.Since[step] = old
			return false
		}
		if c.Since == nil {
			c.Since = map[string]Since{}
		}
		c.Since[step] = Since{State: state, Reason: reason, Time: now}
		return true
	})
	return now, err
}

// States returns the last known state of each step, for a reader who finds no
// agent running.
func (j *Journal) States() map[string]Since {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.file.Since)
}

// change edits the content and writes the file if edit says that it must.
func (j *Journal) change(edit func(*content) bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !edit(&j.file) && !j.dirty {
		return nil
	}
	j.dirty = true
	text, err := json.MarshalIndent(j.file, "", " ")
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if err := j.files.WriteFile(j.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	j.dirty = false
	return nil
}
