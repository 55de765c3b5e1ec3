package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// acceptFile holds how far the acceptance is: results, and the marks that keep
// a drill from being run twice. It is on the coordinator, before the power cut
// also on its peers, and in the end on every node.
const acceptFile = "/var/lib/ringboot/acceptance.json"

// Where each node keeps the report.
const (
	ReportJSON     = "/var/lib/ringboot/report.json"
	ReportMarkdown = "/var/lib/ringboot/report.md"
	ReportHTML     = "/var/lib/ringboot/report.html"
)

// cutFile on a node says that it reset itself for a run of the acceptance.
const cutFile = "/var/lib/ringboot/power-cut"

// recordVersion is the form of acceptFile.
const recordVersion = 1

// Record is the content of acceptFile.
type Record struct {
	Version     int               `json:"version"` // recordVersion
	Run         string            `json:"run"`
	Coordinator string            `json:"coordinator"`
	Started     time.Time         `json:"started"`
	Ended       time.Time         `json:"ended,omitzero"`
	Done        bool              `json:"done"`
	Drills      []report.Drill    `json:"drills"`
	Links       []report.Link     `json:"links"`
	Corosync    []report.Corosync `json:"corosync"`
	ConfVersion int               `json:"config_version"`
	ConfSame    bool              `json:"config_same"`
	Access      []report.Access   `json:"access"`
	Bench       pve.Bench         `json:"bench"`
	Touched     bool              `json:"touched"`               // the pool was written to
	Begun       map[string]int    `json:"begun,omitempty"`       // how often, by drill
	Interrupted string            `json:"interrupted,omitempty"` // what ended a drill last
	Guest       int               `json:"guest,omitempty"`       // id meant for the guest
	Maintenance string            `json:"maintenance,omitempty"` // node that we put into maintenance
	Cut         *cutMark          `json:"cut,omitempty"`
	TimeLine    []report.Moment   `json:"time_line,omitempty"`
	Issues      []report.Issue    `json:"issues,omitempty"`
	// Only are the drills of a run that somebody asked for by name; what an
	// earlier run found in the others stays. Empty: those of the profile.
	Only   []string `json:"only,omitempty"`
	Victim string   `json:"victim,omitempty"` // whose power is cut, where root named it
	For    string   `json:"for,omitempty"`    // the new machine for whose sake it was made: its node, and since when
}

// cutMark is what must be known on two nodes before a third one loses power.
type cutMark struct {
	Victim      string    `json:"victim"`
	Boot        string    `json:"boot"` // boot id of the victim before the cut
	At          time.Time `json:"at"`
	Sent        bool      `json:"sent"`              // the order may have gone out
	Interrupted bool      `json:"interrupted"`       // the coordinator was away while it was under way
	Refused     string    `json:"refused,omitempty"` // what the victim answered instead
	// Others say of which start the nodes were that were to stay.
	Others map[string]string `json:"others,omitempty"`
}

// drill returns the result of a drill, nil if there is none yet.
func (r *Record) drill(name string) *report.Drill {
	for i := range r.Drills {
		if r.Drills[i].Name == name {
			return &r.Drills[i]
		}
	}
	return nil
}

// watching reports whether a power cut was ordered and its end not seen yet.
func (r *Record) watching() bool {
	return r.Cut != nil && r.Cut.Sent && r.drill(PowerCut) == nil
}

// moment adds a point to the time line, once.
func (r *Record) moment(at time.Time, text string) bool {
	for _, m := range r.TimeLine {
		if m.Text == text {
			return false
		}
	}
	after := 0.0
	if r.Cut != nil {
		after = at.Sub(r.Cut.At).Round(100 * time.Millisecond).Seconds()
	}
	r.TimeLine = append(r.TimeLine, report.Moment{Time: at, After: after, Text: text})
	return true
}

// Record is what this node has of the acceptance, nil where there is nothing.
func (s *Accept) Record() (*Record, error) {
	text, err := s.o.Host.Files.ReadFile(acceptFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of the acceptance: %w", err)
	}
	var r Record
	err = json.Unmarshal(text, &r)
	if err == nil && r.Version > recordVersion {
		return nil, host.Newer(acceptFile, r.Version, recordVersion)
	}
	if err != nil || r.Version != recordVersion {
		return nil, fmt.Errorf("%s cannot be understood: a drill may have been run, so none is run by itself: run firstboot accept to begin anew", acceptFile)
	}
	return &r, nil
}

func (s *Accept) save(r *Record) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := s.o.Host.Files.WriteFile(acceptFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the record of the acceptance: %w", err)
	}
	return nil
}

// put stores the record on a peer.
func (s *Accept) put(ctx context.Context, node string, r *Record) error {
	return s.call(ctx, 20*time.Second, node, methodAcceptPut, r, nil)
}

// takeOver keeps what the coordinator found, once it has ended; a new machine asks
// for drills of its own.
func (s *Accept) takeOver(ctx context.Context, coordinator string) error {
	var r Record
	if err := s.call(ctx, 20*time.Second, coordinator, methodAcceptGet, nil, &r); err != nil || !r.Done {
		return err
	}
	if place := s.place(); place != "" && r.For != place {
		return s.call(ctx, time.Minute, coordinator, methodAcceptRenew, place, nil)
	}
	return s.save(&r)
}

// doubt has this node look at the acceptance and its report again.
func (s *Accept) doubt() {
	if s.o.Doubt != nil {
		s.o.Doubt(profiles.StepAccept, profiles.StepReport)
	}
}

// Reopened implements step.Reopener: a run that began after the node had settled
// goes on where its end is not written down.
func (s *Accept) Reopened() bool {
	r, err := s.Record()
	return err == nil && r != nil && !r.Done
}

// Traces are files that a run leaves on a node and nobody needs after its end.
func Traces() []string { return []string{markerFile, returnFile} }

// forget removes the record and the mark of a power cut from this node.
func (s *Accept) forget() error {
	for _, file := range []string{acceptFile, cutFile} {
		if err := s.o.Host.Files.Remove(file); err != nil {
			return fmt.Errorf("remove %s: %w", file, err)
		}
	}
	return s.o.Host.Files.Sync()
}

// Skip ends a waiting acceptance without the drills that are left.
func (s *Accept) Skip(ctx context.Context) error {
	if c := CoordinatorOf(s.o.Profile); c != s.o.Node {
		return fmt.Errorf("%s coordinates the acceptance: run this there", c)
	}
	r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	if r.Done {
		return fault.Precondition.New("the acceptance is over, and nothing is left to skip: peers report shows how it ended, and firstboot accept begins another")
	}
	if r.watching() {
		return fmt.Errorf("%s was reset by the drill and is watched until it is back: wait for the end", r.Cut.Victim)
	}
	if err := s.word.Keep("root on " + s.o.Node + ", who skipped the drills"); err != nil {
		return err
	}
	if err := s.clean(ctx, r); err != nil {
		return err
	}
	for _, d := range drills() {
		if r.drill(d.Name) == nil {
			r.Drills = append(r.Drills, d.outcome(report.Drill{Outcome: report.Untried, Sentence: "skipped by hand"}))
		}
	}
	r.Done, r.Ended = true, s.o.Host.Clock.Now().UTC()
	return s.save(r)
}
