package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/upgrade"
	"ringboot/imagebuilder/deb"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/need"
)

// three nodes, each with a root of its own in which the real dpkg installs.
type three struct {
	t      *testing.T
	p      *profiles.Profile
	roots  map[string]string
	ring   map[string]string // what is wrong with a node's ring
	keeper string            // the state of every keeper
	full   string            // the node whose disk takes half of what is sent
	away   string            // the node that cannot be reached
	log    []string
	bin    string
}

func newThree(t *testing.T) *three {
	t.Helper()
	need.Tools(t, "dpkg", "dpkg-query:dpkg", "dd:coreutils", "sha256sum:coreutils")
	p := profiles.Default()
	x := &three{t: t, p: p, roots: map[string]string{}, ring: map[string]string{}, keeper: "active", bin: t.TempDir()}
	if err := os.WriteFile(filepath.Join(x.bin, "systemctl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Nodes {
		root := t.TempDir()
		x.roots[n.Name] = root
		for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/ringboot", "run/systemd/system"} {
			if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

// Run is host.Commands of the first node: by ssh it reaches the others.
func (x *three) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	node, argv := x.p.Founder().Name, c.Argv
	if argv[0] == "ssh" {
		for i, w := range argv {
			if w == "--" {
				address := strings.TrimPrefix(argv[i-1], "root@")
				for _, n := range x.p.Nodes {
					if n.Address.String() == address {
						node = n.Name
					}
				}
				argv = argv[i+1:]
				break
			}
		}
		for argv[0] == "env" || strings.Contains(argv[0], "=") {
			argv = argv[1:]
		}
	}
	if node == x.away {
		return host.Result{Code: 255, Stderr: []byte("ssh: connect to host: No route to host\n")}, nil
	}
	root := x.roots[node]
	words := []string{argv[0]}
	for _, w := range argv[1:] {
		w = strings.ReplaceAll(strings.Trim(w, "'"), `'\''`, "'")
		words = append(words, strings.Replace(w, upgrade.AgentFile, root+upgrade.AgentFile, 1))
	}
	in := c.Stdin
	switch words[0] {
	case "dpkg":
		words = append([]string{"dpkg", "--root=" + root, "--force-script-chrootless", "--force-not-root", "--force-bad-path", "--log=/dev/null"}, words[1:]...)
	case "dpkg-query":
		words = append([]string{"dpkg-query", "--admindir=" + root + "/var/lib/dpkg"}, words[1:]...)
	case "systemctl":
		return host.Result{Stdout: []byte(x.keeper + "\n")}, nil
	case "dd":
		if node == x.full {
			in = in[:len(in)/2]
		}
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = []string{"PATH=" + x.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	err := cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return host.Result{Stdout: out.Bytes(), Stderr: errs.Bytes(), Code: ended.ExitCode()}, nil
	}
	return host.Result{Stdout: out.Bytes(), Stderr: errs.Bytes()}, err
}

func agentPackage(t *testing.T, version string) []byte {
	t.Helper()
	text := "agent " + version
	out, err := deb.Update(version, io.NewSectionReader(strings.NewReader(text), 0, int64(len(text))), time.Unix(0, 0)).Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// update is firstboot upgrade --agent on the first node.
func (x *three) update(pkg []byte) error {
	x.t.Helper()
	h := host.New(x.roots[x.p.Founder().Name])
	h.Commands, h.Clock = x, crash.NewClock(time.Unix(0, 0))
	u := upgrade.New(upgrade.Options{Host: h, Profile: x.p, Node: x.p.Founder().Name, Log: func(text string) { x.log = append(x.log, text) },
		Ring: func(_ context.Context, node string) (string, error) { return x.ring[node], nil }})
	plan, err := u.PlanAgent(x.t.Context(), "ringboot.deb", pkg, nil)
	if err != nil {
		return err
	}
	return u.RunAgent(x.t.Context(), plan, pkg)
}

// agents is what each node runs, in the order of the profile.
func (x *three) agents() string {
	var out []string
	for _, n := range x.p.Nodes {
		text, err := os.ReadFile(filepath.Join(x.roots[n.Name], deb.AgentPath))
		if err != nil {
			text = []byte("none")
		}
		out = append(out, strings.TrimPrefix(string(text), "agent "))
	}
	return strings.Join(out, " ")
}

// One node after the other gets the agent, who was asked last; it stops at the
// first doubt, and the same command goes on.
func TestTheAgentsAreUpdatedOneByOne(t *testing.T) {
	x := newThree(t)
	if err := x.update(agentPackage(t, "1.0")); err != nil || x.agents() != "1.0 1.0 1.0" {
		t.Fatalf("%v: %s", err, x.agents())
	}
	if want := "[russell: none -> 1.0 wittgenstein: none -> 1.0 frege: none -> 1.0]"; fmt.Sprint(x.log) != want {
		t.Errorf("said %v, want %s", x.log, want)
	}
	is := func(doing string, err error, kind fault.Kind, want, agents string) {
		t.Helper()
		if err == nil || fault.Of(err) != kind || !strings.Contains(err.Error(), want) || x.agents() != agents {
			t.Errorf("%s: %v, agents %s", doing, err, x.agents())
		}
	}
	next := agentPackage(t, "1.1")
	x.ring["wittgenstein"] = "no cable between frege and wittgenstein"
	is("a broken ring", x.update(next), fault.Partial, "russell is not begun: the ring of wittgenstein: no cable between frege and wittgenstein", "1.0 1.0 1.0")
	x.ring = map[string]string{}
	x.keeper = "failed"
	is("a keeper that does not come back", x.update(next), fault.Partial, "russell has the agent 1.1 and is not whole again: its keeper is failed; look there, the others keep theirs", "1.0 1.1 1.0")
	x.keeper, x.full = "active", "wittgenstein"
	is("a full disk", x.update(next), fault.Partial, "wittgenstein has another package than was sent", "1.0 1.1 1.0")
	x.full, x.away = "", "wittgenstein"
	is("a node that is away", x.update(next), fault.Unexpected, "wittgenstein cannot be reached with ssh: ssh: connect to host: No route to host", "1.0 1.1 1.0")
	x.away, x.log = "", nil
	if err := x.update(next); err != nil || x.agents() != "1.1 1.1 1.1" || x.log[0] != "russell: has 1.1 already" {
		t.Errorf("going on: %v, %s, %v", err, x.agents(), x.log)
	}
	is("an older agent", x.update(agentPackage(t, "1.0")), fault.Refused, "russell has the agent 1.1, which is newer than 1.0 of ringboot.deb", "1.1 1.1 1.1")
	is("no package", x.update([]byte("hello")), fault.Precondition, "ringboot.deb: dpkg reads no whole package in it (", "1.1 1.1 1.1")
	is("half a package", x.update(next[:len(next)/2]), fault.Precondition, "ringboot.deb: ", "1.1 1.1 1.1")
	seed, err := deb.Seed("/etc/ringboot", "frege", strings.Repeat("0a", 32), map[string][]byte{"/etc/ringboot/seed.json": nil}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	other, err := seed.Build()
	if err != nil {
		t.Fatal(err)
	}
	is("another package", x.update(other), fault.Refused, "ringboot.deb is the package ringboot-seed, not the agent", "1.1 1.1 1.1")
}
