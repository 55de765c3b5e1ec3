package throughput

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// serve runs a server for the test's time and returns its address.
func serve(t testing.TB, from netip.Addr, token Token) netip.AddrPort {
	t.Helper()
	s, err := Listen(loopback, from, token)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server did not end with its context")
		}
	})
	return s.Addr()
}

func TestMeasureOverLoopback(t *testing.T) {
	token := Token{1, 2, 3}
	r, err := Measure(context.Background(), Target{
		Addr: serve(t, loopback, token), Local: loopback, Device: "", Token: token, Time: 300 * time.Millisecond, MTU: 65507 + 28,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes == 0 || r.Gbit <= 0 || r.Elapsed < 200*time.Millisecond {
		t.Errorf("no bandwidth measured: %+v", r)
	}
	if want := float64(r.Bytes) * 8 / r.Elapsed.Seconds() / 1e9; r.Gbit != want {
		t.Errorf("gbit %v is not bytes over time %v", r.Gbit, want)
	}
	if r.Latency.Trips != echoTrips || r.Latency.Median <= 0 || r.Latency.Worst < r.Latency.Median {
		t.Errorf("latency %+v", r.Latency)
	}
	if !r.FullSize.OK() || r.FullSize.Sent != fullSizeSent {
		t.Errorf("full size %+v", r.FullSize)
	}
	if r.Segment < 1000 {
		t.Errorf("segment %d", r.Segment)
	}
}

func TestStrangersAreHungUpOn(t *testing.T) {
	addr := serve(t, loopback, Token{1})
	_, err := Measure(context.Background(), Target{Addr: addr, Token: Token{2}, Time: time.Second})
	if !errors.Is(err, ErrToken) {
		t.Errorf("a wrong token: %v", err)
	}
	elsewhere := serve(t, netip.MustParseAddr("127.0.0.9"), Token{1})
	_, err = Measure(context.Background(), Target{Addr: elsewhere, Token: Token{1}, Time: time.Second})
	if !errors.Is(err, ErrToken) {
		t.Errorf("a wrong address: %v", err)
	}
}

func TestPacketsLargerThanThePathAreReported(t *testing.T) {
	// Nothing listens: every packet is sent and none returns.
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	f := fullSize(ctx, Target{Addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), MTU: 9000})
	if f.OK() || f.Sent == 0 || f.Returned != 0 || !strings.Contains(f.Error, "9000 bytes did not come back") {
		t.Errorf("%+v", f)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	token := Token{7}
	addr := serve(t, loopback, token)
	ctx, cancel := context.WithCancel(context.Background())
	const whole = 4 * time.Minute
	time.AfterFunc(200*time.Millisecond, cancel)
	start := time.Now()
	_, err := Measure(ctx, Target{Addr: addr, Token: token, Time: whole})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err %v", err)
	}
	if d := time.Since(start); d > whole/2 {
		t.Errorf("took %v of %v", d, whole)
	}
}

func limits(transport string) profiles.Limits {
	t, _ := profiles.TransportOf(transport)
	return t.Limits
}

func TestJudge(t *testing.T) {
	whole := FullSize{Sent: 8, Returned: 8}
	thunderbolt, dac := limits("thunderbolt"), limits("ethernet")
	for _, c := range []struct {
		r    Result
		l    profiles.Limits
		want Grade
		says string
	}{
		{Result{Gbit: 22.3, FullSize: whole}, thunderbolt, Good, "22.3 Gbit/s"},
		{Result{Gbit: 18, FullSize: whole}, thunderbolt, Good, "18.0 Gbit/s"},
		{Result{Gbit: 16.2, FullSize: whole}, thunderbolt, Slow, "16.2 Gbit/s of the 18 that a sound link reaches; check the cable and where its interrupts run"},
		{Result{Gbit: 13, FullSize: whole}, thunderbolt, Slow, "13.0 Gbit/s of the 18 that a sound link reaches: one lane only, or interrupts on an efficiency core; check rx_lanes, reseat the cable"},
		{Result{Gbit: 8.9, FullSize: whole}, thunderbolt, Bad, "8.9 Gbit/s, below 9; reseat or replace the cable"},
		{Result{Gbit: 25, MTU: 65520, FullSize: FullSize{Sent: 8, Returned: 5}}, thunderbolt, Bad, "5 of 8 packets of 65520 bytes came back undivided; set the same MTU on both ends, then take the cable out and put it back"},
		{Result{Gbit: 9.4, FullSize: whole}, dac, Good, "9.4 Gbit/s"},
		{Result{Gbit: 7, FullSize: whole}, dac, Slow, "7.0 Gbit/s of the 9 that a sound link reaches; check the cable and where its interrupts run"},
	} {
		got, says := Judge(c.r, c.l)
		if got != c.want || says != c.says {
			t.Errorf("%v Gbit/s: %s %q, want %s %q", c.r.Gbit, got, says, c.want, c.says)
		}
	}
	if Worse(Good, Bad) != Bad || Worse(Slow, Good) != Slow {
		t.Error("worse")
	}
}
