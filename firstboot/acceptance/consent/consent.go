// Package consent is a machine's own word on being reset by a drill: that of root
// on it, that of the profile on its disk, or, where the profile only proposes it,
// that everybody was told and nobody said no. What its peers say counts for
// nothing, but for a no. Each consent is for one cut.
package consent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

const (
	// typedFile says until when this node may be reset: root typed it here.
	typedFile = "/var/lib/ringboot/power-cut-consent"
	// spentFile says for which run the profile's consent was used up.
	spentFile = "/var/lib/ringboot/power-cut-spent"
	// noFile says who said no to the power cut of the first acceptance.
	noFile = "/var/lib/ringboot/power-cut-no"
	// typedTime is how long a typed consent holds.
	typedTime = time.Hour
)

const (
	// NoticeTime is how long a proposed power cut is told before it comes.
	NoticeTime = time.Minute
	// noticeKept is for how long silence counts afterwards.
	noticeKept = 5 * time.Minute
)

// Own is the word of one machine.
type Own struct {
	Host    host.Host
	Node    string
	Profile *profiles.Profile
	Victim  string       // whom the profile names
	Peers   trust.Caller // the other nodes
	// First reports whether the first acceptance of this machine is not over.
	First func() bool
	// told is in memory alone: only an agent that ran all the while knows that
	// nobody said no.
	told atomic.Pointer[Notice]
	mu   sync.Mutex // a no is kept, or the reset begins
}

// Notice is a power cut of which the nodes are told beforehand.
type Notice struct {
	ID     string `json:"id"` // of one telling
	Victim string `json:"victim"`
	since  time.Time
}

// Answer is what a node says of a power cut.
type Answer struct {
	Notice string `json:"notice,omitempty"` // the newest of which it was told
	No     string `json:"no,omitempty"`     // who said no there or elsewhere, and when
	// Consents says that it would obey an order to reset itself now.
	Consents bool `json:"consents,omitempty"`
	// Proposes says that it does, or would, only where all were told and nobody said no.
	Proposes bool `json:"proposes,omitempty"`
}

// typed is the content of typedFile.
type typed struct {
	Node  string    `json:"node"` // a copy of the file on another machine consents to nothing
	Until time.Time `json:"until"`
}

// Give lets this machine be reset, once, within the hour.
func (o *Own) Give() (until time.Time, err error) {
	until = o.Host.Clock.Now().Add(typedTime).UTC().Truncate(time.Second)
	text, err := json.Marshal(typed{o.Node, until})
	if err != nil {
		return until, err
	}
	return until, o.Host.Files.WriteFile(typedFile, text, 0o600)
}

// given reports whether root on this machine consents.
func (o *Own) given() bool {
	var c typed
	text, err := o.Host.Files.ReadFile(typedFile)
	if err != nil || json.Unmarshal(text, &c) != nil || c.Node != o.Node {
		return false
	}
	// A clock that was set back makes no consent last longer.
	left := c.Until.Sub(o.Host.Clock.Now())
	return 0 < left && left <= typedTime
}

// Refuses says why this machine may not be reset now, "" if it may. The
// profile speaks for the first acceptance alone: until there is a report, where
// no machine was replaced, and for the node that it names.
func (o *Own) Refuses() string {
	n := o.told.Load()
	switch {
	case o.given():
		return ""
	case !o.word().Given():
		return fmt.Sprintf("the profile of %s does not consent to a power cut, nor does root on it", o.Node)
	case !o.First() || host.Exists(o.Host.Files, spentFile):
		return fmt.Sprintf("the profile of %s consented to the power cut of the first acceptance, and root on it to no other one", o.Node)
	case o.Said() != "":
		return fmt.Sprintf("%s is not reset: no was said by %s", o.Node, o.Said())
	case o.word() != profiles.ConsentAsk:
		return ""
	case n == nil || n.Victim != o.Node || o.age(n) < NoticeTime || o.age(n) > noticeKept:
		return fmt.Sprintf("the profile of %s proposes a power cut, and that was not told here for %.0f s just before", o.Node, NoticeTime.Seconds())
	}
	return ""
}

func (o *Own) age(n *Notice) time.Duration { return o.Host.Clock.Now().Sub(n.since) }

// word is what the profile says of this machine.
func (o *Own) word() profiles.Consent {
	if o.Victim != o.Node {
		return profiles.ConsentNo
	}
	return o.Profile.Acceptance.PowerCut
}

// proposes reports whether this machine may be reset only after all were told
// and nobody said no.
func (o *Own) proposes() bool {
	return !o.given() && o.word() == profiles.ConsentAsk && o.First() && !host.Exists(o.Host.Files, spentFile) && o.Said() == ""
}

// UseUp takes the consent away, in a way that the cut does not bring it back.
func (o *Own) UseUp(run string) error {
	f := o.Host.Files
	o.told.Store(nil)
	if err := f.WriteFile(spentFile, []byte(run+"\n"), 0o600); err != nil {
		return err
	}
	if err := f.Remove(typedFile); err != nil {
		return err
	}
	return f.Sync() // a name that is gone comes back where nobody flushed that
}

// Tell begins a notice; the time before it counts for nothing.
func (o *Own) Tell(n Notice) {
	n.since = o.Host.Clock.Now()
	o.told.Store(&n)
}

// Answer is what this node says of a power cut.
func (o *Own) Answer() Answer {
	a := Answer{No: o.Said(), Consents: o.Refuses() == "", Proposes: o.proposes()}
	if n := o.told.Load(); n != nil {
		a.Notice = n.ID
	}
	return a
}

// Sentence is what this node shows while it is told of a power cut, else "".
func (o *Own) Sentence() string {
	n := o.told.Load()
	if n == nil || o.age(n) > NoticeTime+noticeShown || o.Said() != "" {
		return ""
	}
	return fmt.Sprintf("%s is reset at %s, %.0f s after this was first said, as a test (power_cut: ask); to say no: firstboot accept --no-power-cut on any node, or peers --no-power-cut",
		n.Victim, n.since.Add(NoticeTime).UTC().Format("15:04:05 UTC"), NoticeTime.Seconds())
}

// noticeShown is for how long a notice whose time is over is shown.
const noticeShown = 10 * time.Second

// Keep keeps a no to the power cut of the first acceptance, for good, and takes a
// consent that root gave before. The first one to say it is remembered: who, and when.
func (o *Own) Keep(by string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.Host.Files
	if o.Said() == "" {
		if err := f.WriteFile(noFile, []byte(by+"\n"), 0o600); err != nil {
			return err
		}
	}
	if err := f.Remove(typedFile); err != nil {
		return err
	}
	return f.Sync()
}

// Unless resets this machine, unless somebody has said no since said, which Said
// returned, or ctx is over: who ordered it waits no longer.
func (o *Own) Unless(ctx context.Context, said string, reset func() error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s is not reset: the order was given up meanwhile: %w", o.Node, err)
	}
	if no := o.Said(); no != said {
		return fmt.Errorf("%s is not reset: no was said by %s", o.Node, no)
	}
	return reset()
}

// Said is who said no, and when; "" where nobody did.
func (o *Own) Said() string {
	text, err := o.Host.Files.ReadFile(noFile)
	switch {
	case err == nil && strings.TrimSpace(string(text)) != "":
		return strings.TrimSpace(string(text))
	case err == nil || host.Exists(o.Host.Files, noFile):
		return "somebody" // who it was cannot be read: that it was said counts
	}
	return ""
}
