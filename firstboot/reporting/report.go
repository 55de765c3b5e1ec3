// Package reporting is the last step: what all nodes know of the cluster becomes
// one report on each of them, and provisioning ends. It reads the record of the
// drills, and runs none.
package reporting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

const methodReportNode = "report.node"

// leftovers are what provisioning may have left on a node and nobody needs
// once the cluster stands. The node's own key stays: the ring keeper uses it.
var leftovers = []string{"/var/lib/ringboot/join", "/var/lib/ringboot/place", aptFile}

const aptFile = "/var/lib/ringboot/apt.conf"

// noteMark begins the part of the datacenter's note that is ours.
const noteMark = "Ringboot acceptance:"

// Report is the last step: the report on every node, a note for the
// datacenter's page, and the end of provisioning.
type Report struct {
	o      storage.Options
	accept *acceptance.Accept
	status func() status.Status
	ha     pve.HA
	ceph   pve.Ceph
}

// New returns the step report. status may be nil.
func New(o storage.Options, accept *acceptance.Accept, status func() status.Status) *Report {
	sh := pve.Shell{Host: o.Host, Node: o.Node}
	return &Report{o: o, accept: accept, status: status, ha: pve.HA{Shell: sh}, ceph: pve.Ceph{Shell: sh}}
}

// Name implements Step.
func (s *Report) Name() string { return profiles.StepReport }

// Recheck says how long the verdict keeps.
func (s *Report) Recheck() time.Duration { return 10 * time.Minute }

// Register adds the methods that peers and operators may call.
func (s *Report) Register(r trust.Registry) {
	// To peers, and to an operator who asks with "peers report".
	r.Handle(trust.MethodReport, func(_ context.Context, _ string, in json.RawMessage) (any, error) {
		form := "json"
		if len(in) > 0 {
			if err := json.Unmarshal(in, &form); err != nil {
				return nil, err
			}
		}
		file, ok := map[string]string{"json": acceptance.ReportJSON, "md": acceptance.ReportMarkdown, "html": acceptance.ReportHTML}[form]
		if !ok {
			return nil, fmt.Errorf("the report comes as json, md or html, not as %q", form)
		}
		text, err := s.o.Host.Files.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s has no report yet: ask again when its step report is done", s.o.Node)
		}
		return string(text), err
	})
	r.Handle(methodReportNode, func(ctx context.Context, peer string, _ json.RawMessage) (any, error) {
		if _, ok := s.o.Profile.Node(peer); !ok {
			return nil, fmt.Errorf("%s is no node of this cluster", peer)
		}
		return s.own(ctx)
	})
}

// reportState is what is there already.
type reportState struct {
	record *acceptance.Record
	report *report.Report // nil: none that can be read
	whole  bool           // all three forms, of this run
	noted  bool           // the datacenter's page tells of it
	closed bool           // leftovers gone
}

func (s *Report) look(ctx context.Context) (reportState, error) {
	var st reportState
	var err error
	if st.record, err = s.accept.Record(); err != nil || st.record == nil || !st.record.Done {
		return st, err
	}
	have, err := s.read()
	if err != nil {
		return st, err
	}
	st.report, st.whole = have, have != nil && have.Run == st.record.Run
	for _, file := range []string{acceptance.ReportMarkdown, acceptance.ReportHTML} {
		if _, err := s.o.Host.Files.Lstat(file); err != nil {
			st.whole = false
		}
	}
	if have != nil && acceptance.CoordinatorOf(s.o.Profile) == s.o.Node {
		description, err := s.ha.Description(ctx)
		if err != nil {
			return st, err
		}
		st.noted = strings.Contains(description, s.note(have))
	}
	st.closed = true
	for _, file := range append(leftovers, acceptance.Traces()...) {
		if _, err := s.o.Host.Files.Lstat(file); err == nil {
			st.closed = false
		}
	}
	return st, nil
}

// read returns this node's report, nil if there is none that can be read.
func (s *Report) read() (*report.Report, error) {
	text, err := s.o.Host.Files.ReadFile(acceptance.ReportJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the report: %w", err)
	}
	var is struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(text, &is) == nil {
		if err := host.Newer(acceptance.ReportJSON, is.Version, report.Version); err != nil {
			return nil, err
		}
	}
	r, err := report.Parse(text)
	if err != nil {
		return nil, nil // written anew
	}
	return r, nil
}

// Check implements Step.
func (s *Report) Check(ctx context.Context) (step.Verdict, error) {
	st, err := s.look(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	c := acceptance.CoordinatorOf(s.o.Profile)
	switch {
	case st.record == nil || !st.record.Done:
		return step.Wait("the report waits for the acceptance"), nil
	case !st.whole && c == s.o.Node:
		return step.Do("the report is to be written", step.Change{Object: acceptance.ReportJSON, Want: "written"}), nil
	case !st.whole:
		if text, err := s.fetch(ctx, c); err != nil {
			return step.Wait(fmt.Sprintf("waits for the report of %s: %v", c, err)), nil
		} else if text.Run != st.record.Run {
			return step.Wait(fmt.Sprintf("waits for the report of %s", c)), nil
		}
		return step.Do(fmt.Sprintf("the report of %s is to be taken over", c), step.Change{Object: acceptance.ReportJSON, Want: "that of " + c}), nil
	case !st.noted && c == s.o.Node:
		return step.Do("the datacenter's page is to tell of the report", step.Change{Object: "note of the datacenter", Want: noteMark}), nil
	case !st.closed:
		return step.Do("provisioning is to be ended", step.Change{Object: "seed and key of the installation", Want: "wiped"}), nil
	}
	return step.IsDone(st.report.Verdict.Sentence), nil
}

func (s *Report) fetch(ctx context.Context, c string) (*report.Report, error) {
	var text string
	if err := s.call(ctx, 30*time.Second, c, trust.MethodReport, "json", &text); err != nil {
		return nil, err
	}
	return report.Parse([]byte(text))
}

// Apply implements Step.
func (s *Report) Apply(ctx context.Context) error {
	st, err := s.look(ctx)
	if err != nil || st.record == nil || !st.record.Done {
		return err
	}
	c := acceptance.CoordinatorOf(s.o.Profile)
	if !st.whole {
		var r *report.Report
		if c == s.o.Node {
			r, err = s.compose(ctx, st.record)
		} else if r, err = s.fetch(ctx, c); err == nil && r.Run != st.record.Run {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.write(r); err != nil {
			return err
		}
	}
	if c == s.o.Node {
		if err := s.announce(ctx); err != nil {
			return err
		}
	}
	return s.end()
}

// write puts the three forms on this node. The JSON form comes last: it is
// the one that counts.
func (s *Report) write(r *report.Report) error {
	html, err := r.HTML()
	if err != nil {
		return err
	}
	md, err := r.Markdown()
	if err != nil {
		return err
	}
	text, err := r.JSON()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		text []byte
	}{{acceptance.ReportHTML, html}, {acceptance.ReportMarkdown, md}, {acceptance.ReportJSON, text}} {
		if err := s.o.Host.Files.WriteFile(f.path, f.text, 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}

// note is what the datacenter's page says.
func (s *Report) note(r *report.Report) string {
	return fmt.Sprintf("%s %s Made %s by %s; the report is %s on every node.", noteMark, r.Verdict.Sentence, r.Made.UTC().Format("2006-01-02"), r.MadeBy, acceptance.ReportHTML)
}

// announce adds the note, and replaces an older one of ours.
func (s *Report) announce(ctx context.Context) error {
	r, err := s.read()
	if err != nil || r == nil {
		return err
	}
	description, err := s.ha.Description(ctx)
	if err != nil {
		return err
	}
	if strings.Contains(description, s.note(r)) {
		return nil
	}
	var keep []string // what others wrote stays
	for line := range strings.Lines(description) {
		if line = strings.TrimRight(line, "\n"); !strings.HasPrefix(line, noteMark) {
			keep = append(keep, line)
		}
	}
	text := strings.TrimSpace(strings.Join(keep, "\n") + "\n\n" + s.note(r))
	return s.ha.SetDescription(ctx, text)
}

// end wipes what provisioning left.
func (s *Report) end() error {
	for _, file := range append(leftovers, acceptance.Traces()...) {
		if err := s.wipe(file); err != nil {
			return fmt.Errorf("wipe %s: %w", file, err)
		}
	}
	return nil
}

// wipe removes a file or a directory of files, and overwrites files first.
func (s *Report) wipe(at string) error {
	info, err := s.o.Host.Files.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		list, err := s.o.Host.Files.ReadDir(at)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := s.wipe(at + "/" + e.Name()); err != nil {
				return err
			}
		}
	} else if info.Mode().IsRegular() && info.Size() < 1<<20 {
		if err := s.o.Host.Files.WriteDirect(at, make([]byte, info.Size())); err != nil {
			return err
		}
	}
	return s.o.Host.Files.Remove(at)
}

// Reopened implements step.Reopener: the report is of an earlier run.
func (s *Report) Reopened() bool {
	r, err := s.accept.Record()
	have, unread := s.read()
	return err == nil && unread == nil && r != nil && have != nil && (!r.Done || r.Run != have.Run)
}

func (s *Report) call(ctx context.Context, limit time.Duration, node, method string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.o.Peers.Call(ctx, node, method, in, out)
}
