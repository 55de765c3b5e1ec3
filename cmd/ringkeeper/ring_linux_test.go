package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ringboot/cmd/cli"
	"ringboot/firstboot/alone"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

// programEnv makes the test binary the program.
const programEnv = "RINGBOOT_TEST_RINGKEEPER"

func TestMain(m *testing.M) {
	if os.Getenv(programEnv) != "" {
		os.Exit(cli.Main("ringkeeper", run))
	}
	os.Exit(m.Run())
}

// networks numbers those of this process.
var networks atomic.Int64

// box is one of the three machines: a network namespace and a root of its own.
type box struct {
	*testing.T
	*lan.Namespace
	name, root string
}

// boxes are three machines, cabled by the rule, none of which was paired.
func boxes(t *testing.T) []*box {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "ip:iproute2", "ping:iputils-ping")
	n, err := lan.New(&networks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	var all []*box
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		m, err := n.Machine(name)
		if err != nil {
			t.Fatal(err)
		}
		b := &box{t, m, name, t.TempDir()}
		b.write(alone.ConfigFile, fmt.Sprintf("ring: {transport: ethernet, mtu: 9000, ports: [{name: en05, interface: en05}, {name: en06, interface: en06}]}\nnodes: [{name: %s, ring: 10.203.4.%d}]\n", name, 11+i), 0o644)
		for _, tool := range []string{"nft", "udevadm", "systemctl", "update-initramfs", "modprobe"} {
			b.write("/usr/sbin/"+tool, "#!/bin/sh\nexit 0\n", 0o755)
		}
		all = append(all, b)
	}
	for i, b := range all {
		b.cable(all[(i+1)%3])
	}
	return all
}

// cable joins the first port of a machine to the second of another.
func (b *box) cable(to *box) {
	b.Helper()
	if err := b.IP("link", "add", "en05", "type", "veth", "peer", "name", "en06", "netns", to.NS); err != nil {
		b.Fatal(err)
	}
}

func (b *box) write(path, text string, mode os.FileMode) {
	b.Helper()
	at := filepath.Join(b.root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), mode); err != nil {
		b.Fatal(err)
	}
}

// program is the program on this machine, without a terminal.
func (b *box) program(args ...string) *exec.Cmd {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := b.Command(append([]string{exe, "--root", b.root}, args...)...)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	return cmd
}

func (b *box) run(want int, args ...string) string {
	b.Helper()
	cmd := b.program(args...)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		b.Errorf("%s %v: exit code %d, want %d\n%s", b.name, args, got, want, out)
	}
	return string(out)
}

// together runs the program on all at the same time.
func together(all []*box, want int, args ...string) []string {
	out := make([]string, len(all))
	var group sync.WaitGroup
	for i, b := range all {
		group.Go(func() { out[i] = b.run(want, args...) })
	}
	group.Wait()
	return out
}

var leads = regexp.MustCompile(`(en0[56]) leads to (\w+) \([0-9.]+\). Code: (\d{3} \d{3})`)

// codes are those on a screen, by who is at the other end.
func codes(screen string) map[string]string {
	out := map[string]string{}
	for _, m := range leads.FindAllStringSubmatch(screen, -1) {
		out[m[2]] = m[3]
	}
	return out
}

// keep runs the keeper until the test ends.
func (b *box) keep() {
	b.Helper()
	cmd := b.program("run")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			b.Errorf("%s ended: %v", b.name, err)
		}
		_ = cmd.Wait() // interrupted
		if b.Failed() {
			b.Logf("%s:\n%s", b.name, said.String())
		}
	})
}

func (b *box) status() (s alone.Status) {
	var out bytes.Buffer
	cmd := b.program("status", "--json")
	cmd.Stdout = &out
	_ = cmd.Run()
	_ = json.Unmarshal(out.Bytes(), &s) // not whole, or not there yet
	return s
}

// await waits until it holds of every machine's status.
func await(t *testing.T, all []*box, what string, holds func(alone.Status) bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for _, b := range all {
		for s := b.status(); !holds(s); s = b.status() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s: not within a minute: %+v", b.name, what, s)
			}
		}
	}
}

// Three machines are paired over their cables, keep the ring, and go round a
// cable that dies.
func TestThreeMachinesArePairedAndKeepTheirRing(t *testing.T) {
	all := boxes(t)
	if said := all[0].run(4, "run"); !strings.Contains(said, "is not paired yet: type ringkeeper pair") {
		t.Errorf("before the pairing: %s", said)
	}
	screens := together(all, 8, "pair", "--wait", "1m")
	for i, b := range all {
		mine := codes(screens[i])
		if len(mine) != 2 || !strings.Contains(screens[i], "type ringkeeper pair --yes-code CODE") {
			t.Fatalf("%s shows\n%s", b.name, screens[i])
		}
		for j, o := range all {
			if i != j && mine[o.name] != codes(screens[j])[b.name] {
				t.Errorf("the cable between %s and %s shows %q and %q", b.name, o.name, mine[o.name], codes(screens[j])[b.name])
			}
		}
	}
	if said := all[0].run(4, "run"); !strings.Contains(said, "a ring has three machines, and this one is paired with 0") {
		t.Errorf("before the codes were compared: %s", said)
	}
	for i, b := range all {
		var words []string
		for _, code := range codes(screens[i]) {
			words = append(words, "--yes-code", code)
		}
		if said := b.run(0, append([]string{"pair"}, words...)...); !strings.Contains(said, "all three are paired") {
			t.Errorf("%s: %s", b.name, said)
		}
		b.keep()
	}
	await(t, all, "ring whole", func(s alone.Status) bool {
		return s.Ring.Whole && !slices.ContainsFunc(s.Ring.Ports, func(p status.RingPort) bool { return !p.Proven })
	})
	// A second pairing beside the running keepers asks nothing.
	for i, said := range together(all, 0, "pair", "--wait", "1m") {
		if len(codes(said)) != 0 || strings.Count(said, "which is paired with this machine") != 2 {
			t.Errorf("%s, once more: %s", all[i].name, said)
		}
	}
	if err := all[1].IP("link", "del", "en06"); err != nil {
		t.Fatal(err)
	}
	await(t, all[:1], "the dead cable is seen", func(s alone.Status) bool { return s.Keeper != "" && !s.Ring.Whole })
	if err := all[0].Namespace.Run("ping", "-c", "10", "-i", "0.2", "10.203.4.12"); err != nil {
		t.Errorf("russell is not reached over wittgenstein: %v", err)
	}
	all[0].cable(all[1])
	await(t, all, "ring whole again", func(s alone.Status) bool { return s.Ring.Whole })
	report := all[0].run(0, "report", "-")
	for _, secret := range []string{"russell", "10.203.4."} {
		if strings.Contains(report, secret) {
			t.Errorf("the report names %s", secret)
		}
	}
	if !strings.Contains(report, "nodeB") {
		t.Errorf("the report knows no machine:\n%s", report)
	}
}

// sitting is a person at a machine's terminal, who runs ringkeeper pair.
type sitting struct {
	*box
	cmd    *exec.Cmd
	screen chan string // what it shows, piece by piece
	shown  string
}

var asks = regexp.MustCompile(`the screen of (\w+) shows the same, or no: $`)

// sit starts the pairing at a terminal, where each question gets the code that
// stands on the screen, or says another word.
func (b *box) sit(says string) *sitting {
	b.Helper()
	master, tty := terminals(b.T)
	s := &sitting{box: b, cmd: b.program("pair", "--wait", "1m"), screen: make(chan string)}
	s.cmd.Stdin = tty
	out, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(s.screen)
		all, buffer := "", make([]byte, 4096)
		for {
			n, err := out.Read(buffer)
			if all += string(buffer[:n]); err != nil {
				return
			}
			if m := asks.FindStringSubmatch(all); m != nil {
				fmt.Fprintln(master, cmp.Or(says, codes(all)[m[1]])) //nolint:errcheck // the program may have ended
			}
			s.screen <- string(buffer[:n])
		}
	}()
	return s
}

// until reads the screen up to a text.
func (s *sitting) until(text string) *sitting {
	s.Helper()
	for !strings.Contains(s.shown, text) {
		piece, open := <-s.screen
		if s.shown += piece; !open {
			s.Fatalf("%s never shows %q:\n%s", s.name, text, s.shown)
		}
	}
	return s
}

// leave presses control and C, unless the program ends by itself with this code.
func (s *sitting) leave(want int) {
	s.Helper()
	if want == int(fault.Interrupted) {
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			s.Error(err)
		}
	}
	for piece := range s.screen {
		s.shown += piece
	}
	if _ = s.cmd.Wait(); s.cmd.ProcessState.ExitCode() != want {
		s.Errorf("%s ended with %d, want %d:\n%s", s.name, s.cmd.ProcessState.ExitCode(), want, s.shown)
	}
}

// terminals are the two ends of a terminal.
func terminals(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return master, tty
}

// Two cables are enough to meet: the machine between vouches for the others to
// each other. A code that is not typed takes nothing.
func TestTheMachineBetweenVouchesForTheOthers(t *testing.T) {
	all := boxes(t)
	frege, russell, wittgenstein := all[0], all[1], all[2]
	if err := frege.IP("link", "del", "en06"); err != nil {
		t.Fatal(err)
	}
	one, two := frege.sit("no"), russell.sit("")
	one.until("is not the code that waits here, and nothing was taken").leave(int(fault.Interrupted))
	two.until("paired with frege").leave(int(fault.Interrupted))

	one, two = frege.sit(""), russell.sit("")
	two.until("en06 leads to frege, which is paired with this machine; if it asks, the code here is")
	one.until("paired with russell").leave(int(fault.Interrupted))
	two.leave(int(fault.Interrupted))

	two, three := russell.sit(""), wittgenstein.sit("")
	three.until("all three are paired").leave(0)
	two.until("all three are paired").leave(0)

	one, two = frege.sit(""), russell.sit("")
	one.until("all three are paired").leave(0)
	two.until("all three are paired").leave(0)
	for _, b := range all {
		b.keep()
	}
	await(t, []*box{russell}, "the machine between has both", func(s alone.Status) bool { return s.Ring.Whole })
	if err := frege.Namespace.Run("ping", "-c", "10", "-i", "0.2", "10.203.4.13"); err != nil {
		t.Errorf("wittgenstein is not reached over russell: %v", err)
	}
}
