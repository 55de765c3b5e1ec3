package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/inventory"
	"ringboot/firstboot/report"
	"ringboot/firstboot/status"
	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// call runs the program and returns its exit code and what it said.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	code = cli.Report("firstboot", err, &errs)
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	empty := t.TempDir()
	const noSeed = "/etc/ringboot/seed.json is missing: install this machine from an image of mkimage, or its ringboot-seed package"
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"no such command":    {[]string{"frobnicate"}, 2, "", `unknown command "frobnicate"`},
		"no such flag":       {[]string{"apply", "--force"}, 2, "", "unknown flag: --force"},
		"too many words":     {[]string{"status", "frege"}, 2, "", "firstboot: "},
		"apply, no seed":     {[]string{"apply", "--root", empty}, 8, "identity    stopped  " + noSeed, ""},
		"check, no seed":     {[]string{"apply", "--check", "--root", empty}, 8, noSeed, ""},
		"no such step":       {[]string{"apply", "--only", "bass", "--root", empty}, 2, "", `no such step "bass": the plan has identity`},
		"doctor, no seed":    {[]string{"doctor", "--root", empty}, 8, "needs a person: " + noSeed, ""},
		"nothing to restore": {[]string{"restore-network", "--root", empty}, 0, "", ""},
		"resume, no seed":    {[]string{"resume", "--root", empty}, 4, "", "firstboot: this node does not know who it is: " + noSeed},
		"drift, no seed":     {[]string{"drift", "--root", empty}, 4, "", "firstboot: this node does not know who it is: " + noSeed},
		"status, no agent":   {[]string{"status", "--root", empty}, 4, "", "firstboot: no agent has ever run on this machine: install it from an image of mkimage"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, c.args...)
			if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
				t.Errorf("exit %d\nstdout %q\nstderr %q", code, stdout, stderr)
			}
		})
	}
}

func TestJSONHasItsVersion(t *testing.T) {
	for _, args := range [][]string{{"apply", "--check", "--json"}, {"inventory", "--json"}} {
		_, stdout, _ := call(t, append(args, "--root", t.TempDir())...)
		var v struct{ Version int }
		if err := json.Unmarshal([]byte(stdout), &v); err != nil || v.Version != 1 {
			t.Errorf("%v: version %d, %v in %s", args, v.Version, err, stdout)
		}
	}
}

// TestTheLinterReadsOurInventory holds the two ends of the inventory together.
func TestTheLinterReadsOurInventory(t *testing.T) {
	text, err := json.Marshal(inventory.Inventory{Version: 1,
		Disks: []inventory.Disk{{Path: "/dev/nvme0n1", Properties: map[string]string{"DEVNAME": "/dev/nvme0n1", "ID_SERIAL_SHORT": "S0"}}},
		NICs:  []inventory.NIC{{Name: "enp87s0", Properties: map[string]string{"INTERFACE": "enp87s0", "ID_NET_NAME_MAC": "enx5847ca000001"}}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := answer.ParseInventory(text)
	if err != nil || len(got.Disks) != 1 || len(got.NICs) != 1 || got.Disks[0].Name != "/dev/nvme0n1" || got.Disks[0].Properties["ID_SERIAL_SHORT"] != "S0" || got.NICs[0].Name != "enp87s0" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestRestoreNetworkGivesTheBackupBack(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"var/lib/ringboot/network/interfaces": "old\n", "var/lib/ringboot/network/on-trial": "2026-11-23T05:00:00Z\n", "etc/network/interfaces": "new\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"firstboot: the new network was not confirmed, the old one is back\n", ""} {
		code, _, stderr := call(t, "restore-network", "--root", root)
		text, _ := os.ReadFile(filepath.Join(root, "etc/network/interfaces"))
		if code != 0 || stderr != want || string(text) != "old\n" {
			t.Errorf("exit %d, %q, interfaces %q", code, stderr, text)
		}
	}
}

// TestAnAgentThatDoesNotKnowItselfAnswers runs a whole agent without a seed:
// it says why, on the socket as well, refuses a second one, and stops at once.
func TestAnAgentThatDoesNotKnowItselfAnswers(t *testing.T) {
	root := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ready := make(chan struct{})
	said := &awaited{want: "step 1 of 1, identity", found: ready}
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"run", "--root", root}, strings.NewReader(""), &bytes.Buffer{}, said)
	}()
	<-ready
	code, stdout, stderr := call(t, "status", "--json", "--root", root)
	var s status.Status
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != 0 || stderr != "" || s.Version != 1 || !s.Stopped || s.Phase != "identity" {
		t.Errorf("exit %d, %v, %q, %+v", code, err, stderr, s)
	}
	if code, _, stderr := call(t, "run", "--root", root); code != 6 || !strings.Contains(stderr, "another agent is running") {
		t.Errorf("second agent: exit %d, %s", code, stderr)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// awaited is a writer that tells when a text was written.
type awaited struct {
	want  string
	found chan struct{}
	text  string
}

func (s *awaited) Write(p []byte) (int, error) {
	before := strings.Contains(s.text, s.want)
	s.text += string(p)
	if !before && strings.Contains(s.text, s.want) {
		close(s.found)
	}
	return len(p), nil
}

func TestAShellCompletesNodesStepsAndDrills(t *testing.T) {
	root := t.TempDir()
	file := root + profiles.ProfileFile
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, profiles.DefaultText(), 0o600)); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"upgrade --node":     "frege russell wittgenstein",
		"accept --power-cut": "frege russell wittgenstein",
		"admit":              "frege russell wittgenstein",
		"revoke":             "frege russell wittgenstein",
		"accept --drill":     strings.Join(acceptance.Names(), " "),
		"apply --only":       strings.Join(profiles.Steps(), " "),
	} {
		args := append([]string{"__complete", "--root=" + root}, strings.Fields(line)...)
		code, out, _ := call(t, append(args, "")...)
		if got := strings.Fields(out); code != 0 || strings.Join(got[:max(0, len(got)-1)], " ") != want {
			t.Errorf("%s: exit %d, %q, want %s", line, code, out, want)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	term := cli.NewTerminal(nil, io.Discard, io.Discard)
	root, err := newRoot(&terminal{Terminal: term})
	if err != nil {
		t.Fatal(err)
	}
	if err := cli.Dress(root, term, version); err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden {
			continue
		}
		if !strings.Contains(c.Example, "firstboot") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
	}
}

// TestTheDoctorSaysTheVerdict has a node in every standing that one node can be in.
func TestTheDoctorSaysTheVerdict(t *testing.T) {
	formed := func(outcome report.Outcome) status.Status {
		s := status.Status{Node: "frege", Phase: status.PhaseFormed, Step: 11, Steps: 11}
		if outcome == "" {
			return s
		}
		r := report.Report{Version: report.Version, MadeBy: "frege", Verdict: report.Verdict{Outcome: outcome, Sentence: "All is well.", Reasons: []string{"ring 4.6 Gbit/s, below 5", "the disk is full"}}}
		root := t.TempDir()
		text, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, acceptance.ReportJSON)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s.Acceptance, err = accepted(root); err != nil {
			t.Fatal(err)
		}
		return s
	}
	at := func(state string, stopped bool) status.Status {
		s := status.Status{Node: "frege", Phase: "base", Step: 2, Steps: 11, Waiting: "sudo is missing", Stopped: stopped, Plans: make([]status.StepStatus, 11)}
		s.Plans[1].State = state
		return s
	}
	settled := formed(report.Passed)
	settled.Settled, settled.Drift = time.Now(), []status.Drift{{Text: "frege differs."}}
	for name, c := range map[string]struct {
		s    status.Status
		want fault.Kind
		says string
	}{
		"formed":       {formed(""), fault.Done, "formed: all 11 steps are done, no known risk\ndo this: nothing\n"},
		"accepted":     {formed(report.Passed), fault.Done, "formed and accepted: all 11 steps are done, no known risk\ndo this: nothing\nlog in:  as root"},
		"warnings":     {formed(report.Warnings), fault.Done, "formed with warnings: all 11 steps are done; ring 4.6 Gbit/s, below 5, and 1 reason more\ndo this: read the report"},
		"not accepted": {formed(report.Failed), fault.Unverified, "formed and not accepted: all 11 steps are done; ring 4.6 Gbit/s, below 5, and 1 reason more\ndo this: mend it, then run firstboot accept on frege"},
		"drift":        {settled, fault.Partial, "formed and accepted: all 11 steps are done, and the node is left alone, 1 difference from the plan, no known risk\n"},
		"forming":      {at("todo", false), fault.Partial, "forming: step 2 of 11, base: frege installs packages and users (sudo is missing)\ndo this: nothing, the agent is at work"},
		"waiting":      {at("waiting", false), fault.Partial, "waiting: step 2 of 11, base: sudo is missing\ndo this: as the sentence says"},
		"stopped":      {at("stopped", true), fault.Partial, "stopped: step 2 of 11, base needs a person: sudo is missing\ndo this: as the sentence says"},
	} {
		var out bytes.Buffer
		err := diagnose(&terminal{Terminal: cli.NewTerminal(nil, &out, io.Discard)}, c.s)
		if fault.Of(err) != c.want || !strings.HasPrefix(out.String(), c.says) {
			t.Errorf("%s: %d, %q", name, fault.Of(err), out.String())
		}
		var told bytes.Buffer
		printStatus(&told, c.s)
		if v, _, _ := strings.Cut(c.says, "\n"); !strings.HasPrefix(told.String(), "frege: "+v) {
			t.Errorf("%s: status says %q", name, told.String())
		}
	}
}
