// Package settled is the mark of a node that the builder has left: when, after
// which report, and what each step said last.
//
// It decides nothing. Units look whether its file is there; a step that stands
// in it stays finished, whatever its owner does to what the step made.
package settled

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
)

// Where the mark lies, and the request that runs the builder once more. The
// request is gone with the next start of the machine: nothing that was asked
// for once comes back by itself. Both paths stand in the units, too.
const (
	File      = "/var/lib/ringboot/settled.json"
	Requested = "/run/ringboot/requested.json"
)

const version = 1

// Mark is the content of File.
type Mark struct {
	Version int       `json:"version"`
	At      time.Time `json:"at"`     // people ask since when; the keeper shows it
	Node    string    `json:"node"`   // a disk that was moved to another machine settles nothing there
	Agent   string    `json:"agent"`  // which builder said so, for whoever looks into a fault
	Plan    string    `json:"plan"`   // a new plan is drift of all that it changes, not a reason to build
	Report  string    `json:"report"` // run of the report that ended the forming
	// Steps has each finished step with what it said last: the builder, run on
	// request, does not take them up again by itself.
	Steps map[string]string `json:"steps"`
}

// Read returns the mark, nil where the node is not settled. A file that cannot
// be understood still settles: a builder that starts by mistake is worse than
// one that has to be asked.
func Read(f host.Files) (*Mark, error) {
	text, err := f.ReadFile(File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark of a settled node: %w", err)
	}
	var m Mark
	if json.Unmarshal(text, &m) != nil || m.Version != version {
		return &Mark{Version: version}, nil
	}
	return &m, nil
}

// Finished reports whether a step was done when the node settled. A mark that
// cannot be understood says so of every step.
func Finished(f host.Files, step string) bool {
	m, err := Read(f)
	if err != nil || m == nil {
		return err != nil
	}
	_, ok := m.Steps[step]
	return ok || m.At.IsZero()
}

// Write settles the node. A mark that a newer agent made stays.
func Write(f host.Files, m Mark) error {
	var old Mark
	if text, err := f.ReadFile(File); err == nil && json.Unmarshal(text, &old) == nil {
		if err := host.Newer(File, old.Version, version); err != nil {
			return err
		}
	}
	m.Version = version
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := f.WriteFile(File, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("settle the node: %w", err)
	}
	return f.Sync()
}

// Request asks for the builder once more, until a time.
type Request struct {
	Task  string    `json:"task"`  // what for, in words: shown by status
	Until time.Time `json:"until"` // then it leaves, whatever became of the task
}

// ReadRequest returns what the builder was asked for, nil for nothing.
func ReadRequest(f host.Files) (*Request, error) {
	text, err := f.ReadFile(Requested)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the builder was asked for: %w", err)
	}
	var r Request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read what the builder was asked for in %s: %w", Requested, err)
	}
	return &r, nil
}

// WriteRequest asks for the builder.
func WriteRequest(f host.Files, r Request) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return f.WriteFile(Requested, append(text, '\n'), 0o600)
}

// Withdraw takes a request back.
func Withdraw(f host.Files) error { return f.Remove(Requested) }
