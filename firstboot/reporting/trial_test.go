package reporting

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/firstboot/storage"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

var update = flag.Bool("update", false, "write testdata anew")

const acceptFile = "/var/lib/ringboot/acceptance.json"

// tried is a cluster with storage on simulated machines, whose drills are over.
type tried struct {
	*trial.Trial
	t       *testing.T
	reports map[string]*Report
	runs    string // what the agents do by themselves: "storage", "report", "" nothing
}

func stored(t *testing.T, p *profiles.Profile, runs string, r *acceptance.Record) *tried {
	t.Helper()
	c := &tried{t: t, reports: map[string]*Report{}, runs: "storage"}
	c.Trial = trial.New(p, c.steps)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Furnish(c.World.Names()...); err != nil {
		t.Fatal(err)
	}
	if err := c.Cluster(); err != nil {
		t.Fatal(err)
	}
	c.Start()
	c.done(2 * time.Hour)
	if r != nil {
		c.accepted(r)
	}
	c.runs = runs
	c.Halt()
	c.Start()
	return c
}

// accepted puts the record of an acceptance on all nodes.
func (c *tried) accepted(r *acceptance.Record) {
	c.t.Helper()
	r.Version = 1
	text, err := json.Marshal(r)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, n := range c.World.Names() {
		c.put(n, acceptFile, string(text))
	}
}

func (c *tried) put(node, file, text string) {
	c.t.Helper()
	if err := c.World.Node(node).Files().WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *tried) exists(node, file string) bool {
	_, err := c.World.Node(node).Files().Lstat(file)
	return err == nil
}

func (c *tried) steps(m *trial.Machine) []step.Step {
	view := status.RingView{Whole: true}
	for _, o := range c.Profile.Others(m.Name) {
		view.Ports = append(view.Ports, status.RingPort{Name: m.Name + "-to-" + o.Name, Peer: o.Name, PeerPort: o.Name + "-to-" + m.Name, Alive: true})
	}
	o := storage.Options{Host: m.Host(), Profile: c.Profile, Node: m.Name, Agent: "1.0.0", Peers: m, Ring: func() status.RingView { return view },
		Seed: profiles.Seed{ClusterID: "0123456789abcdef", Plan: profiles.Hashes{Cluster: "plan of all", Node: "plan of " + m.Name}}}
	ceph, ha := storage.NewCeph(o), storage.NewHA(o)
	ceph.Register(m.Answers())
	r := New(o, acceptance.NewAccept(o, nil, nil), func() status.Status { return said(m.Name) })
	r.Register(m.Answers())
	c.reports[m.Name] = r
	return map[string][]step.Step{"storage": {ceph, ha}, "report": {r}}[c.runs]
}

// said is what a node says of itself when the drills are over.
func said(node string) status.Status {
	began := time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)
	if node == "russell" {
		began = began.Add(-time.Minute)
	}
	at := func(name string, minutes int, state step.State) status.StepStatus {
		return status.StepStatus{Name: name, State: state.String(), Since: began.Add(time.Duration(minutes) * time.Minute)}
	}
	return status.Status{Key: "a file", Bindings: "hash", Risks: []string{"the clock of " + node + " runs fast"},
		Events: []status.Event{{Time: began, Text: "ring stopped: no cable"}, {Time: began, Text: "ring done"}},
		Plans:  []status.StepStatus{at("identity", 0, step.Done), at("ring", 3, step.Done), at("peers", 2, step.Done), at("cluster", 7, step.Waiting), at("report", 9, step.Done)}}
}

func (c *tried) done(limit time.Duration) {
	c.t.Helper()
	if !c.Done(limit) {
		c.t.Fatalf("not done:\n%s", c.Story(c.World.Names()...))
	}
}

func (c *tried) golden(name, story string) {
	c.t.Helper()
	if err := trial.Told("testdata/"+name, story, *update); err != nil {
		c.t.Error(err)
	}
}

// over is the record of an acceptance that is over.
func over() *acceptance.Record {
	began := time.Date(2026, 11, 23, 0, 20, 0, 0, time.UTC)
	return &acceptance.Record{Run: "20261123T002000Z", Coordinator: "frege", Started: began, Ended: began.Add(time.Minute), Done: true,
		Drills: []report.Drill{{Name: "management", Title: "Management path", Outcome: report.Passed, Sentence: "all answered"},
			{Name: "migration", Title: "Live migration", Outcome: report.Untried, Sentence: "the profile does not consent"}},
		Corosync: []report.Corosync{{Node: "frege", Peer: "russell", Connected: true}}, ConfVersion: 3, ConfSame: true, Bench: pve.Bench{Write: 100, Read: 200},
		Access: []report.Access{{Node: "frege", URL: "https://10.203.3.11:8006/", Answered: true}, {Node: "russell", URL: "https://10.203.3.12:8006/"}},
		Issues: []report.Issue{{Severity: report.Note, Node: "russell", Text: "is another machine"}}}
}

// The report on every node: who writes it, who takes it over, what it says, and
// what is wiped after it.
func TestTheReportOnEveryNode(t *testing.T) {
	p := trial.Profile()
	p.Agent = profiles.Agent{StatusPage: true, StatusPort: 8644}
	p.HA.Affinity = nil
	c := stored(t, p, "report", over())
	for _, n := range c.World.Names() {
		c.put(n, "/var/lib/ringboot/join/key.pem", "secret")
		c.put(n, "/var/lib/ringboot/place", n)
		c.put(n, "/var/lib/ringboot/acceptance.raw", "marker")
	}
	if _, err := c.Type("frege", "pvesh set /cluster/options --description Mine."); err != nil {
		t.Fatal(err)
	}
	c.done(time.Hour)
	c.golden("writing.txt", c.Story(c.World.Names()...))
	text, err := c.World.Node("frege").Files().ReadFile(acceptance.ReportJSON)
	if err != nil {
		t.Fatal(err)
	}
	c.golden("report.json", string(text))
	for _, n := range c.World.Names() {
		if got, err := c.World.Node(n).Files().ReadFile(acceptance.ReportJSON); err != nil || string(got) != string(text) {
			t.Errorf("%s has another report (%v)", n, err)
		}
		for _, file := range []string{"/var/lib/ringboot/join", "/var/lib/ringboot/place", "/var/lib/ringboot/acceptance.raw"} {
			if c.exists(n, file) {
				t.Errorf("%s is left on %s", file, n)
			}
		}
	}
	options, err := c.Type("russell", "pvesh get /cluster/options --output-format json")
	if err != nil || !strings.Contains(options, "Mine.") || strings.Count(options, noteMark) != 1 {
		t.Errorf("%s %v", options, err)
	}
	if c.reports["frege"].Reopened() {
		t.Error("the report is of this run, and to be written again")
	}
	// Another run has another report, and its note takes the place of the older one.
	again := over()
	again.Run, again.Access[1].Answered = "later", true
	c.accepted(again)
	if !c.reports["frege"].Reopened() {
		t.Error("the report is of an earlier run, and called finished")
	}
	c.rest(30 * time.Minute)
	options, err = c.Type("russell", "pvesh get /cluster/options --output-format json")
	if err != nil || !strings.Contains(options, "Mine.") || strings.Count(options, noteMark) != 1 || strings.Contains(options, "of russell does not answer") {
		t.Errorf("%s %v", options, err)
	}
	for method, want := range map[string]time.Duration{methodReportNode: time.Minute, "report": 30 * time.Second} {
		if got := c.Limits()[method]; got != want {
			t.Errorf("%s: %v, not %v", method, got, want)
		}
	}
}

func (c *tried) rest(d time.Duration) { c.Until(d, func() bool { return false }) }

// Whatever fails once is told or listed, and every node has its report all the same.
func TestEveryFailureIsTold(t *testing.T) {
	c := stored(t, trial.Profile(), "report", over())
	for _, n := range c.World.Names() {
		c.put(n, "/var/lib/ringboot/join/key.pem", "secret")
	}
	trouble := &trial.Trouble{}
	c.Trouble = trouble
	c.done(6 * time.Hour)
	c.golden("quiet.txt", trouble.Quiet(c.Trial))
}

// Each part of it hands on whatever fails, but for what is listed.
func TestEachPartHandsOnWhatFails(t *testing.T) {
	c := stored(t, trial.Profile(), "", over())
	s, ctx := c.reports["frege"], t.Context()
	// What a machine does not say of itself is left out.
	own, err := c.Sweep(func() error { _, err := s.own(ctx); return err })
	var b strings.Builder
	fmt.Fprintf(&b, "== own: %v\n%s", err, own)
	for _, k := range []struct {
		name string
		do   func() error
	}{
		{"compose", func() error { _, err := s.compose(ctx, over()); return err }},
		{"apply", func() error {
			c.put("frege", acceptance.ReportJSON, "{")
			c.put("frege", "/var/lib/ringboot/join/key.pem", "secret")
			return s.Apply(ctx)
		}},
		{"look", func() error { _, err := s.look(ctx); return err }},
		{"announce", func() error {
			if _, err := c.World.Exec(ctx, "frege", []string{"pvesh", "set", "/cluster/options", "--description", "Mine."}, nil, nil, time.Minute); err != nil {
				t.Error(err)
			}
			return s.announce(ctx)
		}},
		{"apply of another node", func() error {
			c.put("russell", acceptance.ReportJSON, "{")
			return c.reports["russell"].Apply(ctx)
		}},
		{"check of another node", func() error { _, err := c.reports["russell"].Check(ctx); return err }},
	} {
		quiet, err := c.Sweep(k.do)
		fmt.Fprintf(&b, "== %s: %v\n%s", k.name, err, trial.Less(quiet, own))
	}
	c.golden("sweep.txt", b.String())
}

// What a report says, and to whom, and what it does with a file that is none.
func TestWhoIsToldOfTheReport(t *testing.T) {
	c := stored(t, trial.Profile(), "", nil)
	s := c.reports["russell"]
	verdict := func(state step.State, want string) {
		t.Helper()
		v, err := s.Check(t.Context())
		if got := fmt.Sprint(v.Reason, err); v.State != state || got != want {
			t.Errorf("%v: %s\nnot %v: %s", v.State, got, state, want)
		}
	}
	verdict(step.Waiting, "the report waits for the acceptance<nil>")
	r := over()
	r.Done = false
	c.accepted(r)
	verdict(step.Waiting, "the report waits for the acceptance<nil>")
	if err := s.Apply(t.Context()); err != nil || c.exists("russell", acceptance.ReportJSON) {
		t.Errorf("a report before the drills are over: %v", err)
	}
	c.accepted(over())
	verdict(step.Waiting, "waits for the report of frege: frege answered to report: frege has no report yet: ask again when its step report is done<nil>")
	if err := c.Do(func() error { return c.reports["frege"].Apply(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	verdict(step.Todo, "the report of frege is to be taken over<nil>")
	other := over()
	other.Run = "another"
	c.accepted(other)
	verdict(step.Waiting, "waits for the report of frege<nil>")
	if err := s.Apply(t.Context()); err != nil || c.exists("russell", acceptance.ReportJSON) {
		t.Errorf("the report of another run is taken over: %v", err)
	}
	c.accepted(over())
	c.put("russell", acceptance.ReportJSON, `{"version": 99}`)
	if v, err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("a newer report: %+v %v", v, err)
	}
	c.put("russell", acceptance.ReportJSON, `{`)
	verdict(step.Todo, "the report of frege is to be taken over<nil>")
	if err := s.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{acceptance.ReportMarkdown, acceptance.ReportHTML} {
		if err := c.World.Node("russell").Files().Remove(form); err != nil {
			t.Fatal(err)
		}
		verdict(step.Todo, "the report of frege is to be taken over<nil>")
		if err := s.Apply(t.Context()); err != nil || !c.exists("russell", form) {
			t.Fatal(err)
		}
	}
	c.put("russell", "/var/lib/ringboot/acceptance.back", "")
	verdict(step.Todo, "provisioning is to be ended<nil>")
	if _, err := c.Type("frege", "pvesh set /cluster/options --description Mine."); err != nil {
		t.Fatal(err)
	}
	c.rest(time.Minute)
	s = c.reports["frege"]
	verdict(step.Todo, "the datacenter's page is to tell of the report<nil>")
	for form, begins := range map[string]string{`"json"`: "{", `"md"`: "# ", `"html"`: "<!"} {
		var text string
		if err := c.Machine("russell").Call(t.Context(), "frege", "report", json.RawMessage(form), &text); err != nil || !strings.HasPrefix(strings.ToLower(text), begins) {
			t.Errorf("%s: %.20s %v", form, text, err)
		}
	}
	for in, want := range map[string]string{`"pdf"`: `the report comes as json, md or html, not as "pdf"`, `7`: "json: cannot unmarshal number into Go value of type string"} {
		if err := c.Machine("russell").Call(t.Context(), "frege", "report", json.RawMessage(in), nil); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if err := c.Peers.Node("goedel").Call(t.Context(), "frege", methodReportNode, nil, nil); err == nil || !strings.HasSuffix(err.Error(), "goedel is no node of this cluster") {
		t.Errorf("a stranger: %v", err)
	}
	c.Machine("wittgenstein").End()
	if _, err := s.compose(context.Background(), over()); err == nil || err.Error() != "the report needs the facts of wittgenstein: connect wittgenstein: connection refused" {
		t.Errorf("a node that is off: %v", err)
	}
	if s.Recheck() != 10*time.Minute || s.Name() != profiles.StepReport {
		t.Errorf("%s keeps for %v", s.Name(), s.Recheck())
	}
}
