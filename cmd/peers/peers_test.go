package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/discovery"
	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

// reportFile is what the nodes hand out, beside the keyring of a test.
const reportFile = "report.json"

// The test binary can be the command itself, or a node that announces itself
// and answers with the status that it reads line by line from its input.
const (
	commandEnv = "RINGBOOT_TEST_PEERS"
	nodeEnv    = "RINGBOOT_TEST_PEERS_NODE"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(commandEnv) != "":
		os.Exit(cli.Report("peers", run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
	case os.Getenv(nodeEnv) != "":
		if err := beNode(os.Getenv(nodeEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var names = []string{"frege", "russell", "wittgenstein"}

func beNode(spec string) error {
	dir, name, _ := strings.Cut(spec, " ")
	name, address, _ := strings.Cut(name, " ")
	var texts [3][]byte
	for i, file := range []string{"ca.crt", "node-" + name + ".crt", "node-" + name + ".key"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		texts[i] = text
	}
	voucher, err := trust.ParseIdentity(texts[0], texts[1], texts[2])
	if err != nil {
		return err
	}
	own, err := voucher.Enrol()
	if err != nil {
		return err
	}
	id, err := own.Identity()
	if err != nil {
		return err
	}
	var says atomic.Pointer[status.Status]
	says.Store(&status.Status{Node: name})
	server := trust.NewServer(trust.ServerOptions{Identity: id, Nodes: names})
	server.Handle(trust.MethodStatus, func(context.Context, string, json.RawMessage) (any, error) { return says.Load(), nil })
	server.Handle(trust.MethodReport, func(context.Context, string, json.RawMessage) (any, error) {
		text, err := os.ReadFile(filepath.Join(dir, reportFile))
		return string(text), err
	})
	server.Handle(trust.MethodPage, linksOf(name, address))
	server.Handle(trust.MethodNo, heardBy(name))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	listener, err := net.Listen("tcp", ":8643")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	record := discovery.Record{Node: name, Boot: "5f2c11d0", Phase: "peers", Step: 5, Steps: 11, Port: 8643, Fingerprint: id.Fingerprint(), Addresses: []netip.Addr{netip.MustParseAddr(address)}}
	d, err := discovery.Start(ctx, discovery.Options{ClusterID: id.ClusterID, Record: record, Key: id.Key})
	if err != nil {
		return err
	}
	defer d.Close()
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var s status.Status
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return err
		}
		s.Node = name
		says.Store(&s)
		record.Phase, record.Step = s.Phase, s.Step
		if err := d.Publish(record); err != nil {
			return err
		}
	}
	cancel()
	return <-served
}

// site is three nodes and a sofa, and the keyring's directory.
type site struct {
	t       *testing.T
	keyring string
	stdin   map[string]io.WriteCloser
	cmds    map[string]*exec.Cmd
	at      map[string]*lan.Namespace
	sofa    *lan.Namespace
}

var nets atomic.Int64

func newSite(t *testing.T) *site {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "ip:iproute2")
	l, err := lan.New(&nets)
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	sw, err := l.Switch()
	check(t, err)
	s := &site{t: t, keyring: filepath.Join(t.TempDir(), "principia"), stdin: map[string]io.WriteCloser{}, cmds: map[string]*exec.Cmd{}, at: map[string]*lan.Namespace{}}
	check(t, os.Mkdir(s.keyring, 0o700))
	pki, err := testpki.New()
	check(t, err)
	check(t, os.WriteFile(filepath.Join(s.keyring, "ca.crt"), pki.CA, 0o600))
	s.issue(pki, "operator", "operator", testpki.Operator)
	for i, name := range names {
		m, err := l.Machine(name)
		check(t, err)
		_, err = m.Plug(sw, fmt.Sprintf("10.203.3.%d/24", 11+i))
		check(t, err)
		s.at[name] = m
		s.issue(pki, "node-"+name, name)
	}
	s.sofa, err = l.Machine("sofa")
	check(t, err)
	_, err = s.sofa.Plug(sw, "10.203.3.99/24")
	check(t, err)
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) issue(pki *testpki.PKI, file, name string, wishes ...testpki.Wish) {
	s.t.Helper()
	cert, key, err := pki.Issue(name, wishes...)
	check(s.t, err)
	check(s.t, os.WriteFile(filepath.Join(s.keyring, file+".crt"), cert, 0o600))
	check(s.t, os.WriteFile(filepath.Join(s.keyring, file+".key"), key, 0o600))
}

// start starts a node and waits until it answers.
func (s *site) start(i int) {
	s.t.Helper()
	name := names[i]
	cmd := s.at[name].Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s 10.203.3.%d", nodeEnv, s.keyring, name, 11+i))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	check(s.t, err)
	stdout, err := cmd.StdoutPipe()
	check(s.t, err)
	check(s.t, cmd.Start())
	s.stdin[name], s.cmds[name] = stdin, cmd
	s.t.Cleanup(func() { s.stop(name) })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		s.t.Fatalf("%s: %q %v", name, line, err)
	}
}

func (s *site) stop(name string) {
	if cmd := s.cmds[name]; cmd.ProcessState == nil {
		s.stdin[name].Close()
		check(s.t, cmd.Wait())
	}
}

// say gives a node its status.
func (s *site) say(name string, status status.Status) {
	s.t.Helper()
	text, err := json.Marshal(status)
	check(s.t, err)
	_, err = s.stdin[name].Write(append(text, '\n'))
	check(s.t, err)
}

// command prepares peers on the sofa.
func (s *site) command(env []string, args ...string) *exec.Cmd {
	cmd := s.sofa.Command(append([]string{os.Args[0]}, args...)...)
	cmd.Env = append(append(os.Environ(), commandEnv+"=1", "HOME="+s.t.TempDir(), "XDG_DATA_HOME="), env...)
	return cmd
}

func (s *site) peers(env []string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	cmd := s.command(env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		s.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func waiting() status.Status {
	return status.Status{Phase: "peers", Step: 5, Steps: 11, Since: time.Now(), Waiting: "the ring is not proven", Plan: "8f14e45fceea167a"}
}

func TestPeersFromTheSofa(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 2 {
		s.start(i)
		s.say(names[i], waiting())
	}
	byKeyring := []string{"--keyring", s.keyring}

	// One picture, with a node missing.
	out, errs, code := s.peers(nil, append(byKeyring, "--listen", "10s", "--json")...)
	var p draw.Picture
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 {
		t.Fatalf("%d %v %s\n%s", code, err, errs, out)
	}
	if p.Version != 2 || p.Cluster != "principia" || !p.Verified || len(p.Nodes) != 3 || !strings.HasPrefix(p.Verdict, "waiting: have 2/3, missing wittgenstein (not seen, not reachable: ") {
		t.Errorf("the picture: %s", out)
	}
	if n := p.Nodes[0]; !n.Seen.OK || !n.Trusted.OK || !n.Asked || n.Waiting != "the ring is not proven" || n.Address != "10.203.3.11" {
		t.Errorf("frege: %+v", n)
	}

	s.start(2)
	s.say("wittgenstein", waiting())
	// The user's only keyring is found.
	out, errs, code = s.peers([]string{"XDG_DATA_HOME=" + ringboot(t, s.keyring)}, "--listen", "20s")
	if code != 0 || !strings.Contains(out, "have 3/3, step 5 of 11, peers at frege: the ring is not proven") || strings.Contains(out, "\x1b") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
	// Without a keyring everything is unverified, and nobody is asked.
	out, _, code = s.peers(nil, "--plain")
	if code != 0 || strings.Count(out, "verified=no") != 3 || !strings.Contains(out, "reachable=no") || !strings.Contains(out, ", unverified: have 3/3") {
		t.Errorf("without a keyring: %d\n%s", code, out)
	}
}

// ringboot puts the keyring where mkimage would.
func ringboot(t *testing.T, keyring string) string {
	base := t.TempDir()
	check(t, os.Mkdir(filepath.Join(base, "ringboot"), 0o700))
	check(t, os.Symlink(keyring, filepath.Join(base, "ringboot", "principia")))
	return base
}

func TestWatchFollowsChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.start(i)
		s.say(names[i], waiting())
	}
	cmd := s.command(nil, "--keyring", s.keyring, "--watch", "--json")
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	pictures := json.NewDecoder(out)
	until := func(what string, ok func(draw.Picture) bool) {
		t.Helper()
		for start := time.Now(); time.Since(start) < time.Minute; {
			var p draw.Picture
			if err := pictures.Decode(&p); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if ok(p) {
				return
			}
		}
		t.Fatalf("not within a minute: %s", what)
	}
	until("all trusted", func(p draw.Picture) bool { return strings.HasPrefix(p.Verdict, "waiting: have 3/3") })
	s.stop("russell")
	until("russell lost", func(p draw.Picture) bool {
		return strings.Contains(p.Verdict, "missing russell") && !p.Nodes[1].Trusted.OK
	})
	s.start(1)
	until("russell back", func(p draw.Picture) bool { return p.Nodes[1].Trusted.OK })
}

func TestUsage(t *testing.T) {
	empty := t.TempDir()
	profile := filepath.Join(empty, "bad.yaml")
	check(t, os.WriteFile(profile, []byte("version: 1\nnodes: 7\n"), 0o600))
	t.Setenv("HOME", empty)
	t.Setenv("XDG_DATA_HOME", "")
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--wait ready", int(fault.Usage), `peers: --wait knows the states formed and accepted, not "ready"`},
		{"--wait formed --watch", int(fault.Usage), "peers: --wait and --watch exclude each other"},
		{"--json --plain", int(fault.Usage), "peers: --json and --plain exclude each other"},
		{"--width 10", int(fault.Usage), "peers: --width is at least 40"},
		{"explain", int(fault.Usage), `peers: which sentence? peers explain "what the machine says"`},
		{"explain nothing at all", int(fault.Precondition), "peers: no entry explains that: give the sentence"},
		{"--listen 0s", int(fault.Usage), "peers: --timeout and --listen are longer than nothing"},
		{"frege", int(fault.Usage), `peers: unknown command "frege": peers --help lists what there is`},
		{"--no-such", int(fault.Usage), "peers: unknown flag: --no-such"},
		{"--wait formed", int(fault.Precondition), "peers: --wait needs the keyring, because what is not verified is not believed: run it where mkimage ran, or give --keyring"},
		{"--keyring " + empty, int(fault.Precondition), "peers: keyring " + empty + ": open " + empty + "/ca.crt: no such file or directory"},
		{"--profile " + empty + "/none.yaml", int(fault.Precondition), "peers: open " + empty + "/none.yaml: no such file or directory"},
		{"--profile " + profile, int(fault.Profile), profile + ":"},
	} {
		var out, errs bytes.Buffer
		code := cli.Report("peers", run(t.Context(), strings.Fields(c.args), nil, &out, &errs), &errs)
		if code != c.code || !strings.HasPrefix(errs.String(), c.want) {
			t.Errorf("peers %s: exit %d, %s\nwant %d, %s", c.args, code, errs.String(), c.code, c.want)
		}
	}
	var found bytes.Buffer
	if err := run(t.Context(), []string{"explain", "peers at frege: the machine has no host name: write it to /etc/hostname and restart"}, nil, &found, io.Discard); err != nil ||
		!strings.HasPrefix(found.String(), "Who this machine is: the machine has no host name") || !strings.Contains(found.String(), "\n  The host name is empty.") {
		t.Errorf("explain: %v %q", err, found.String())
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--version"}, nil, &out, io.Discard); err != nil || !strings.HasPrefix(out.String(), "peers version ") {
		t.Errorf("version: %v %q", err, out.String())
	}
}

func TestSeveralKeyringsMustBeChosenFrom(t *testing.T) {
	base := t.TempDir()
	if dir, err := find(base, ""); dir != "" || err != nil {
		t.Errorf("none: %q, %v", dir, err)
	}
	for _, name := range []string{"alpha", "beta"} {
		check(t, os.Mkdir(filepath.Join(base, name), 0o700))
		check(t, os.WriteFile(filepath.Join(base, name, "operator.crt"), nil, 0o600))
	}
	if _, err := find(base, ""); err == nil || err.Error() != "there are keyrings of several clusters (alpha, beta): choose with --cluster" {
		t.Errorf("two: %v", err)
	}
	if dir, err := find(base, "beta"); err != nil || dir != filepath.Join(base, "beta") {
		t.Errorf("chosen: %q, %v", dir, err)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	term := cli.NewTerminal(nil, io.Discard, io.Discard)
	root := newRoot(term)
	if err := cli.Dress(root, term, version); err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden {
			continue
		}
		if !strings.Contains(c.Example, "peers") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
	}
}
