package throughput

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

// The test binary, run inside a namespace, is one end of a measurement.
func TestMain(m *testing.M) {
	switch os.Getenv("RINGBOOT_END") {
	case "serve":
		s, err := Listen(netip.MustParseAddr("10.98.0.2"), netip.MustParseAddr("10.98.0.1"), Token{9})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Addr())
		ctx, cancel := context.WithCancel(context.Background())
		go func() { os.Stdin.Read(make([]byte, 1)); cancel() }() // until the parent closes the pipe
		if err := s.Serve(ctx); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	case "measure":
		var t Target
		json.Unmarshal([]byte(os.Getenv("RINGBOOT_TARGET")), &t)
		r, err := Measure(context.Background(), t)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		json.NewEncoder(os.Stdout).Encode(r)
		os.Exit(0)
	case "relay":
		if err := badCable(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// cable is two namespaces joined by a veth pair: rbt-PID-a 10.98.0.1 and rbt-PID-b 10.98.0.2.
type cable struct {
	t    testing.TB
	a, b string
}

func newCable(t testing.TB, mtuA, mtuB int) cable {
	t.Helper()
	need.Root(t)
	need.Tools(t, "ip:iproute2")
	c := cable{t, fmt.Sprintf("rbt-%d-a", os.Getpid()), fmt.Sprintf("rbt-%d-b", os.Getpid())}
	c.rooms(c.a, c.b)
	c.run("ip", "-n", c.a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", c.b)
	return c.up(mtuA, mtuB)
}

func (c cable) rooms(names ...string) {
	for _, ns := range names {
		c.run("ip", "netns", "add", ns)
		c.t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
		c.run("ip", "-n", ns, "link", "set", "lo", "up")
	}
}

func (c cable) up(mtuA, mtuB int) cable {
	c.run("ip", "-n", c.a, "link", "set", "cable", "mtu", fmt.Sprint(mtuA), "up")
	c.run("ip", "-n", c.b, "link", "set", "cable", "mtu", fmt.Sprint(mtuB), "up")
	c.run("ip", "-n", c.a, "addr", "add", "10.98.0.1/24", "dev", "cable")
	c.run("ip", "-n", c.b, "addr", "add", "10.98.0.2/24", "dev", "cable")
	return c
}

func (c cable) run(argv ...string) []byte {
	c.t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

// measure runs both ends and returns what the one in namespace a saw.
func (c cable) measure(t Target) Result {
	c.t.Helper()
	server := exec.Command("ip", "netns", "exec", c.b, os.Args[0])
	server.Env = append(os.Environ(), "RINGBOOT_END=serve")
	stdin, err := server.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		c.t.Fatal(err)
	}
	defer server.Wait()
	defer stdin.Close()
	line := make([]byte, 64)
	n, err := stdout.Read(line)
	if err != nil {
		c.t.Fatal(err)
	}
	t.Addr, err = netip.ParseAddrPort(strings.TrimSpace(string(line[:n])))
	if err != nil {
		c.t.Fatal(err)
	}
	t.Token = Token{9}
	target, _ := json.Marshal(t)
	client := exec.Command("ip", "netns", "exec", c.a, os.Args[0])
	client.Env = append(os.Environ(), "RINGBOOT_END=measure", "RINGBOOT_TARGET="+string(target))
	out, err := client.Output()
	if err != nil {
		c.t.Fatalf("measure: %v: %s", err, out)
	}
	var r Result
	if err := json.Unmarshal(out, &r); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	return r
}

func TestMeasureSeesWhatTheCableDoes(t *testing.T) {
	t.Run("sound", func(t *testing.T) {
		c := newCable(t, 65520, 65520)
		r := c.measure(Target{Time: time.Second, MTU: 65520, Device: "cable"})
		if r.Bytes == 0 || !r.FullSize.OK() || r.Latency.Median <= 0 {
			t.Errorf("%+v", r)
		}
		if r.Segment < 60000 {
			t.Errorf("segment %d does not use the MTU of 65520", r.Segment)
		}
	})
	t.Run("lossy and slow", func(t *testing.T) {
		c := newBadCable(t)
		r := c.measure(Target{Time: 2 * time.Second})
		if r.Retransmits == 0 {
			t.Error("a link that loses 2 % shows no retransmits")
		}
		if r.Gbit > 0.21 || r.Gbit <= 0 {
			t.Errorf("a link of 0.2 Gbit/s is measured as %.3f", r.Gbit)
		}
	})
	t.Run("unequal MTU", func(t *testing.T) {
		c := newCable(t, 9000, 1500)
		r := c.measure(Target{Time: 200 * time.Millisecond, MTU: 9000})
		if r.FullSize.OK() {
			t.Errorf("packets of 9000 bytes passed an end of 1500: %+v", r.FullSize)
		}
		if grade, says := Judge(r, limits("ethernet")); grade != Bad || !strings.Contains(says, "set the same MTU") {
			t.Errorf("%s %s", grade, says)
		}
	})
	t.Run("own MTU too small", func(t *testing.T) {
		c := newCable(t, 1500, 9000)
		r := c.measure(Target{Time: 200 * time.Millisecond, MTU: 9000})
		if r.FullSize.OK() || !strings.Contains(r.FullSize.Error, "message too long") {
			t.Errorf("%+v", r.FullSize)
		}
	})
}

// BenchmarkAgainstIperf3 compares with the usual tool on the same cable, in
// turns, best of three each: the machine's noise only ever takes away.
func BenchmarkAgainstIperf3(b *testing.B) {
	need.Slow(b)
	need.Tools(b, "iperf3")
	c := newCable(b, 65520, 65520)
	server := exec.Command("ip", "netns", "exec", c.b, "iperf3", "-s", "-B", "10.98.0.2", "--forceflush")
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	// Its banner says that it listens.
	if _, err := stdout.Read(make([]byte, 256)); err != nil {
		b.Fatal(err)
	}
	go func() { // keep the pipe empty
		for {
			if _, err := stdout.Read(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	var ours, theirs float64
	for b.Loop() {
		for range 3 {
			ours = max(ours, c.measure(Target{Time: 2 * time.Second}).Gbit)
			out := c.run("ip", "netns", "exec", c.a, "iperf3", "-c", "10.98.0.2", "-t", "2", "-J")
			var report struct {
				End struct {
					SumReceived struct {
						BitsPerSecond float64 `json:"bits_per_second"`
					} `json:"sum_received"`
				} `json:"end"`
			}
			if err := json.Unmarshal(out, &report); err != nil {
				b.Fatal(err)
			}
			theirs = max(theirs, report.End.SumReceived.BitsPerSecond/1e9)
		}
	}
	b.ReportMetric(ours, "gbit/s")
	b.ReportMetric(theirs, "iperf3-gbit/s")
	need.Figure("proof.vs_iperf3", ours/theirs, "ratio")
}
