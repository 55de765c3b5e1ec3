package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/inventory"
	"ringboot/firstboot/trust"
	"ringboot/imagebuilder/answer"
)

// call runs the program and returns its exit code and what it said.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	code = report(err, &errs)
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
		"doctor, no seed":    {[]string{"doctor", "--root", empty}, 8, "do this: " + noSeed, ""},
		"nothing to restore": {[]string{"restore-network", "--root", empty}, 0, "", ""},
		"status, no agent":   {[]string{"status", "--root", empty}, 0, "identity", "no agent is running on this node: start it with systemctl start ringboot"},
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
	for _, args := range [][]string{{"status", "--json"}, {"apply", "--check", "--json"}, {"inventory", "--json"}} {
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
	var s trust.Status
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != 0 || stderr != "" || !s.Stopped || s.Phase != "identity" {
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
