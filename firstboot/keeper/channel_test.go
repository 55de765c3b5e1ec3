package keeper

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

// channelEnv makes the test binary be one node's channel: the agent without a
// plan. It prints a line whenever the states of its peers change.
const channelEnv = "RINGBOOT_TEST_CHANNEL"

func TestMain(m *testing.M) { need.Main(m, channelEnv, beChannel) }

// channelLine is one line of a node's output.
type channelLine struct {
	At      time.Time
	Started bool // the agent begins now
	Trusted int
	Peers   []status.PeerStatus
	CPU     time.Duration
	RSS     int64 // KiB
}

func beChannel(dir string) error {
	var seed profiles.Seed
	var profile profiles.Profile
	for file, into := range map[string]any{"seed": &seed, "profile": &profile} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return err
		}
	}
	h := host.New(dir)
	node, _ := profile.Node(seed.Node)
	wake := make(chan struct{}, 1)
	var names []string
	for _, n := range profile.Nodes {
		names = append(names, n.Name)
	}
	id, book, err := identityIn(h.Files, names)
	if err != nil {
		return err
	}
	var r *Resident
	r = New(Options{Version: "test", Profile: &profile, Node: node, Seed: seed, Identity: id, Book: book, Files: h.Files, State: "/", Methods: &trust.Methods{},
		Note: func(string) {}, Log: func(string) {}, Member: func() map[string]status.State { return nil },
		Kick: func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		},
		Status: func() status.Status {
			return status.Status{Version: 1, Node: seed.Node, Phase: "peers", Step: 5, Steps: 11, Plan: seed.Plan.Cluster, Peers: r.Peers()}
		}})
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(channelLine{At: time.Now(), Started: true}); err != nil {
		return err
	}
	services := r.Services()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for _, s := range services {
		all.Go(func() {
			if err := s.Run(ctx); err != nil {
				fmt.Fprintln(os.Stderr, s.Name, err)
			}
		})
	}
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test lets go
	}()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		line := channelLine{At: time.Now(), Peers: r.Peers()}
		for _, s := range line.Peers {
			if s.Trusted.OK {
				line.Trusted++
			}
		}
		var usage syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
			line.CPU, line.RSS = time.Duration(usage.Utime.Nano()+usage.Stime.Nano()), usage.Maxrss
		}
		if err := out.Encode(line); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-tick.C:
		}
	}
	return nil
}

// site is a network of machines with seeds.
type site struct {
	tb       testing.TB
	machines []*lan.Namespace
	dirs     []string
	names    []string
}

var channelNets atomic.Int64

func newSite(tb testing.TB, n int) *site {
	tb.Helper()
	need.Root(tb)
	need.Tools(tb, "ip:iproute2")
	l, err := lan.New(&channelNets)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	sw, err := l.Switch()
	if err != nil {
		tb.Fatal(err)
	}
	pki, err := testpki.New()
	if err != nil {
		tb.Fatal(err)
	}
	s := &site{tb: tb}
	profile := profiles.Profile{Cluster: profiles.Cluster{Name: "principia"}, Agent: profiles.Agent{Port: 8643, StatusPort: 8644}}
	for i := range n {
		name := fmt.Sprintf("node%02d", i)
		s.names = append(s.names, name)
		profile.Nodes = append(profile.Nodes, profiles.Node{Name: name, Address: netip.AddrFrom4([4]byte{10, 203, 3, byte(11 + i)})})
		m, err := l.Machine(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := m.Plug(sw, profile.Nodes[i].Address.String()+"/24"); err != nil {
			tb.Fatal(err)
		}
		s.machines = append(s.machines, m)
	}
	s.seed(pki, profile)
	return s
}

// seed writes what the builder would have given each node.
func (s *site) seed(pki *testpki.PKI, profile profiles.Profile) {
	s.tb.Helper()
	peers := map[string]string{}
	var files []map[string][]byte
	for _, name := range s.names {
		cert, key, err := pki.Issue(name)
		if err != nil {
			s.tb.Fatal(err)
		}
		leaf, err := trust.ParseCertificate(cert)
		if err != nil {
			s.tb.Fatal(err)
		}
		peers[name] = base64.RawURLEncoding.EncodeToString(leaf.PublicKey.(ed25519.PublicKey))
		files = append(files, map[string][]byte{profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key})
	}
	for i, name := range s.names {
		dir := s.tb.TempDir()
		s.dirs = append(s.dirs, dir)
		seed := profiles.Seed{Version: 1, Node: name, Plan: profiles.Hashes{Cluster: "8f14e45fceea167a"}, Peers: peers}
		for file, v := range map[string]any{"seed": seed, "profile": profile} {
			text, err := json.Marshal(v)
			if err != nil {
				s.tb.Fatal(err)
			}
			files[i]["/"+file] = text
		}
		files[i]["/proc/sys/kernel/random/boot_id"] = []byte("5f2c11d0-0000-0000-0000-000000000000\n")
		for file, text := range files[i] {
			at := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				s.tb.Fatal(err)
			}
			if err := os.WriteFile(at, text, 0o600); err != nil {
				s.tb.Fatal(err)
			}
		}
	}
}

// agent is one running node.
type agent struct {
	tb    testing.TB
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan channelLine
	last  channelLine
}

func (s *site) start(i int) *agent {
	s.tb.Helper()
	a := &agent{tb: s.tb, name: s.names[i], cmd: s.machines[i].Command(os.Args[0], "-test.run=^$"), lines: make(chan channelLine, 4096)}
	a.cmd.Env = append(os.Environ(), channelEnv+"="+s.dirs[i])
	a.cmd.Stderr = os.Stderr
	var err error
	if a.stdin, err = a.cmd.StdinPipe(); err != nil {
		s.tb.Fatal(err)
	}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	go func() {
		defer close(a.lines)
		scan := bufio.NewScanner(stdout)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			var line channelLine
			if json.Unmarshal(scan.Bytes(), &line) == nil {
				a.lines <- line
			}
		}
	}()
	s.tb.Cleanup(a.stop)
	return a
}

func (a *agent) stop() {
	if a.cmd.ProcessState != nil {
		return
	}
	a.stdin.Close()
	for range a.lines { // until it has ended
	}
	if err := a.cmd.Wait(); err != nil {
		a.tb.Errorf("%s: %v", a.name, err)
	}
}

func (a *agent) until(what string, ok func(channelLine) bool) channelLine {
	a.tb.Helper()
	timeout := time.After(60 * time.Second)
	for {
		select {
		case line, open := <-a.lines:
			if !open {
				a.tb.Fatalf("%s ended; wanted: %s", a.name, what)
			}
			if a.last = line; ok(line) {
				return line
			}
		case <-timeout:
			a.tb.Fatalf("%s: not within a minute: %s; it says %+v", a.name, what, a.last.Peers)
		}
	}
}

func (a *agent) trusts(n int) channelLine {
	a.tb.Helper()
	return a.until(fmt.Sprintf("trusts %d", n), func(l channelLine) bool { return !l.Started && l.Trusted == n })
}

func peerOf(l channelLine, node string) status.PeerStatus {
	for _, p := range l.Peers {
		if p.Node == node {
			return p
		}
	}
	return status.PeerStatus{}
}

func BenchmarkTrusted3(b *testing.B)  { benchTrusted(b, 3, 20, 0) }
func BenchmarkTrusted32(b *testing.B) { benchTrusted(b, 32, 3, 10*time.Second) }

// benchTrusted starts n agents again and again and takes, for each, the time
// from the start of the last one until it trusts all others. Then, for the
// given time, it measures what n quiet agents cost.
func benchTrusted(b *testing.B, n, runs int, quiet time.Duration) {
	s := newSite(b, n)
	for b.Loop() {
		var took, spent []float64
		for run := range runs {
			agents := make([]*agent, n)
			for i := range n {
				agents[i] = s.start(i)
			}
			var last time.Time
			for _, a := range agents {
				if at := a.until("started", func(l channelLine) bool { return l.Started }).At; at.After(last) {
					last = at
				}
			}
			cpu := 0.0
			for _, a := range agents {
				l := a.trusts(n - 1)
				took = append(took, max(0, l.At.Sub(last).Seconds()))
				cpu += l.CPU.Seconds()
			}
			spent = append(spent, cpu)
			if run == runs-1 && quiet > 0 {
				costOf(b, s, agents, quiet)
			}
			for _, a := range agents {
				a.stop()
			}
		}
		slices.Sort(took)
		slices.Sort(spent)
		// What all agents together computed: with two processors for all of them
		// the time cannot be shorter than half of it; each has its own machine.
		need.Figure(fmt.Sprintf("peers.cpu_s_to_trusted.%d", n), spent[len(spent)/2], "s")
		need.Figure(fmt.Sprintf("peers.trusted_p50_s.%d", n), took[len(took)/2], "s")
		need.Figure(fmt.Sprintf("peers.trusted_p95_s.%d", n), took[len(took)*95/100], "s")
	}
}

// costOf measures traffic, processor and memory of agents that have nothing to do.
func costOf(b *testing.B, s *site, agents []*agent, quiet time.Duration) {
	measure := func(suffix string) {
		bytes := func() (sum uint64) {
			for _, m := range s.machines {
				in, out, err := m.Bytes("eth0")
				if err != nil {
					b.Fatal(err)
				}
				sum += in + out
			}
			return sum
		}
		fresh := func(a *agent) channelLine {
			from := time.Now()
			return a.until("a fresh line", func(l channelLine) bool { return l.At.After(from) })
		}
		before, start, cpu := bytes(), time.Now(), fresh(agents[0])
		time.Sleep(quiet) // a rate needs its time
		after, end := bytes(), fresh(agents[0])
		seconds := time.Since(start).Seconds()
		n := len(agents)
		need.Figure(fmt.Sprintf("peers.bytes_per_node_per_s.%d%s", n, suffix), float64(after-before)/seconds/float64(n), "bytes_per_s")
		need.Figure(fmt.Sprintf("peers.cpu_percent_per_node.%d%s", n, suffix), 100*(end.CPU-cpu.CPU).Seconds()/end.At.Sub(cpu.At).Seconds(), "percent")
		need.Figure(fmt.Sprintf("peers.rss_mib.%d%s", n, suffix), float64(end.RSS)/1024, "mib")
	}
	measure("_forming")
	time.Sleep(25 * time.Second) // the time of quick rounds passes
	measure("")
}
