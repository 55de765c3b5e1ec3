package discovery

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"ringboot/rehearsal/need"
)

var testStart = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

func testClock() time.Time { return testStart }

// packed is the datagram with which the zone answers the usual question.
func packed(t testing.TB, z *zone) []byte {
	t.Helper()
	m := &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Authoritative: true}, Compress: true}
	m.Answer = z.Records(dns.Question{Name: service, Qtype: dns.TypePTR, Qclass: dns.ClassINET})
	buf, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

// bench is a table of frege's agent with a clock that the test moves.
type bench struct {
	*Table
	clock  time.Time
	events []string
	t      *testing.T
}

var (
	home  = netip.MustParseAddr("10.203.3.12")
	enemy = netip.MustParseAddr("10.203.3.66")
)

func newBench(t *testing.T) *bench {
	b := &bench{clock: testStart, t: t}
	self := record("frege")
	self.Run, self.Sequence = "00000001", uint64(testStart.UnixMilli())
	b.Table = newTable(self, []string{"frege", "russell", "wittgenstein"}, func() time.Time { return b.clock }, func(s string) { b.events = append(b.events, s) }, nil)
	b.Learn("frege", public("frege"))
	b.Learn("russell", public("russell"))
	return b
}

// hear delivers a record that was signed with the key of signer.
func (b *bench) hear(r Record, signer string, from netip.Addr) {
	b.t.Helper()
	texts, err := r.Sign(keyOf(signer))
	if err != nil {
		b.t.Fatal(err)
	}
	b.observe(texts, from, "eth0")
}

func russell(run string, sequence uint64) Record {
	r := record("russell")
	r.Run, r.Sequence = run, sequence
	return r
}

func TestPeersExpireAfterThreeMissedRoundsAndComeBack(t *testing.T) {
	b := newBench(t)
	b.hear(russell("aa", 1), "russell", home)
	if p := b.Peers()["russell"]; !p.Alive || !p.Verified {
		t.Fatalf("after a good record: %+v", p)
	}
	for range missedRounds {
		b.nextRound()
		if !b.Peers()["russell"].Alive {
			t.Fatal("expired too early")
		}
	}
	b.nextRound()
	if b.Peers()["russell"].Alive {
		t.Error("alive after three missed rounds")
	}
	b.hear(russell("aa", 2), "russell", home)
	if !b.Peers()["russell"].Alive {
		t.Error("did not come back")
	}
	want := "russell has not answered in 3 rounds"
	if !strings.Contains(strings.Join(b.events, "\n"), want) {
		t.Errorf("events %q, want %q", b.events, want)
	}
}

func TestRestartWithAClockThatWentBack(t *testing.T) {
	b := newBench(t)
	b.hear(russell("aa", 5000), "russell", home)
	b.hear(russell("bb", 4000), "russell", home)
	if got := b.Peers()["russell"].Record.Run; got != "aa" {
		t.Fatalf("an older record was believed: run %s", got)
	}
	b.Confirm("russell", "bb") // russell said so itself, over TLS
	b.hear(russell("aa", 5001), "russell", enemy)
	if b.Peers()["russell"].Alive {
		t.Error("the old run is believed although the node named another")
	}
	b.hear(russell("bb", 4001), "russell", home)
	if p := b.Peers()["russell"]; p.Record.Run != "bb" || !p.Alive {
		t.Errorf("the run that the node confirmed is not believed: %+v", p)
	}
	b.hear(russell("cc", 6000), "russell", home) // a further restart with a good clock
	if p := b.Peers()["russell"]; p.Record.Run != "cc" || p.Clash != "" {
		t.Errorf("a plain restart gave %+v", p)
	}
}

// TestAttacksOnRecords plays what somebody on the LAN can do. An attack
// is acted on if it changes what the table believes about a node.
func TestAttacksOnRecords(t *testing.T) {
	type attack struct {
		name string
		do   func(b *bench)
		want func(c Counts) bool
		tell string
	}
	good := russell("aa", 5000)
	lie := good
	lie.Sequence, lie.Addresses, lie.Phase = 9000, []netip.Addr{enemy}, "formed"
	attacks := []attack{
		{"forged with a key of the attacker's own", func(b *bench) { b.hear(lie, "mallory", enemy) },
			func(c Counts) bool { return c.Forged == 1 }, "a record from 10.203.3.66 claims to be russell and is not signed with its key"},
		{"re-signed by another node of the cluster", func(b *bench) { b.hear(lie, "frege", enemy) },
			func(c Counts) bool { return c.Forged == 1 }, "claims to be russell"},
		{"replayed", func(b *bench) { b.hear(russell("aa", 4999), "russell", enemy) },
			func(c Counts) bool { return c.Replayed == 1 }, ""},
		{"replayed as it is", func(b *bench) { b.hear(good, "russell", enemy) },
			func(c Counts) bool { return c.Duplicate == 1 }, ""},
		{"replayed from an earlier start", func(b *bench) { b.hear(russell("99", 100), "russell", enemy) },
			func(c Counts) bool { return c.Replayed == 1 }, "an old record of russell came from 10.203.3.66 and was ignored"},
		{"past sequence", func(b *bench) { r := lie; r.Sequence = 1; b.hear(r, "mallory", enemy) },
			func(c Counts) bool { return c.Replayed == 1 }, ""},
		{"future sequence", func(b *bench) { r := lie; r.Sequence = 1<<63 - 1; b.hear(r, "mallory", enemy) },
			func(c Counts) bool { return c.Forged == 1 }, "claims to be russell"},
		{"other cluster's id", func(b *bench) { r := lie; r.ClusterID = "ffff"; b.hear(r, "russell", enemy) },
			func(c Counts) bool { return c.Foreign == 1 }, "of cluster ffff: of another cluster, ignored"},
		{"a node that is not in the profile", func(b *bench) { r := lie; r.Node = "goedel"; b.hear(r, "goedel", enemy) },
			func(c Counts) bool { return c.Stranger == 1 }, "heard goedel (10.203.3.66) of cluster 0123456789abcdef: not in the profile, ignored"},
		{"our own name", func(b *bench) { r := lie; r.Node = "frege"; b.hear(r, "mallory", enemy) },
			func(c Counts) bool { return c.Forged == 1 }, "claims to be this node (frege)"},
		{"unsigned", func(b *bench) { texts, _ := lie.Sign(keyOf("russell")); b.observe(texts[:len(texts)-1], enemy, "eth0") },
			func(c Counts) bool { return c.Malformed == 1 }, "a record from 10.203.3.66 is not ours: record is not signed"},
		{"oversize", func(b *bench) { b.observe([]string{strings.Repeat("x", 60000), "g="}, enemy, "eth0") },
			func(c Counts) bool { return c.Malformed == 1 }, "record of 2 strings and 60004 bytes"},
		{"ten thousand strings", func(b *bench) { b.observe(make([]string, 10000), enemy, "eth0") },
			func(c Counts) bool { return c.Malformed == 1 }, "record of 10000 strings"},
	}
	acted := 0
	for _, a := range attacks {
		b := newBench(t)
		b.hear(good, "russell", home)
		before := fmt.Sprintf("%+v", b.Peers())
		a.do(b)
		if after := fmt.Sprintf("%+v", b.Peers()); after != before {
			acted++
			t.Errorf("%s: acted on:\nbefore %s\nafter  %s", a.name, before, after)
		}
		if c := b.Counts(); !a.want(c) {
			t.Errorf("%s: counted as %+v", a.name, c)
		}
		if told := strings.Join(b.events, "\n"); !strings.Contains(told, a.tell) {
			t.Errorf("%s: told %q, want %q", a.name, told, a.tell)
		}
	}
	need.Figure("peers.attacks_on_records_tried", len(attacks), "count")
	need.Figure("peers.attacks_on_records_acted_on", acted, "count")
}

func TestTwoMachinesWithOneNameAreNamed(t *testing.T) {
	b := newBench(t)
	for i := range uint64(8) {
		b.hear(russell("aa", 1000+2*i), "russell", home)
		b.hear(russell("bb", 1001+2*i), "russell", enemy)
	}
	clash := b.Peers()["russell"].Clash
	if !strings.HasPrefix(clash, "two machines answer as russell: ") {
		t.Errorf("two machines that take turns: clash %q, events %q", clash, b.events)
	}
	// The second one's clock is behind: its records never win, but they rise.
	b = newBench(t)
	b.hear(russell("aa", 9000), "russell", home)
	for i := range uint64(oldRunsToClash + 1) {
		b.hear(russell("bb", 100+i), "russell", enemy)
	}
	if clash := b.Peers()["russell"].Clash; clash != "two machines answer as russell: 10.203.3.12 and 10.203.3.66" {
		t.Errorf("clash %q", clash)
	}
	// This node's own twin.
	b = newBench(t)
	twin := record("frege")
	twin.Sequence = uint64(testStart.UnixMilli()) + 5
	b.hear(twin, "frege", enemy)
	if want := "a second machine with this node's name and key (frege) is at 10.203.3.66: take one off the network"; len(b.events) != 1 || b.events[0] != want {
		t.Errorf("events %q", b.events)
	}
}

func TestUnverifiedIsShownAndNeverPrevails(t *testing.T) {
	b := newBench(t)
	r := record("wittgenstein")
	b.hear(r, "mallory", enemy)
	if p := b.Peers()["wittgenstein"]; p.Verified || !p.Alive || p.Why != "its key is not known here yet" {
		t.Fatalf("got %+v", p)
	}
	b.Learn("wittgenstein", public("wittgenstein"))
	if _, ok := b.Peers()["wittgenstein"]; ok {
		t.Error("what was heard unverified is believed once the key is known")
	}
	b.hear(r, "mallory", enemy)
	if _, ok := b.Peers()["wittgenstein"]; ok || b.Counts().Forged != 1 {
		t.Error("a forged record made a peer")
	}
	b.hear(r, "wittgenstein", home)
	if !b.Peers()["wittgenstein"].Verified {
		t.Error("the good record is not believed")
	}
}

func TestFloodIsBounded(t *testing.T) {
	b := newBench(t)
	b.hear(russell("aa", 5000), "russell", home)
	var before, after runtime.MemStats
	// Signing is dear and hearing is not: each of 400 records comes 25 times.
	const distinct, times = 400, 25
	var flood [][]string
	for i := range distinct {
		r := russell(fmt.Sprintf("%08x", i), uint64(6000+i))
		r.Waiting = strings.Repeat("x", 150)
		switch i % 4 {
		case 0:
			r.ClusterID = fmt.Sprintf("%016x", i)
		case 1:
			r.Node = fmt.Sprintf("node%d", i)
		case 2:
			r.Node = "wittgenstein" // its key is not known
		}
		texts, err := r.Sign(keyOf("mallory"))
		if err != nil {
			t.Fatal(err)
		}
		flood = append(flood, texts)
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range times {
		for _, texts := range flood {
			b.observe(texts, enemy, "eth0")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("10,000 records left %d bytes behind", grown)
	}
	if n := len(b.Strangers()); n != maxStrangers {
		t.Errorf("%d strangers are kept, want %d", n, maxStrangers)
	}
	if len(b.events) > eventsPerMin {
		t.Errorf("%d lines of log", len(b.events))
	}
	c := b.Counts()
	if c.Received != distinct*times+1 || c.Forged > verifyPerSec || c.Dropped < 2000 {
		t.Errorf("within one second %d signatures were checked and %d records dropped", c.Forged, c.Dropped)
	}
	if p := b.Peers()["russell"]; p.Record.Sequence != 5000 || !p.Verified {
		t.Errorf("the flood changed what is known: %+v", p)
	}
	b.clock = b.clock.Add(time.Second)
	b.hear(russell("aa", 5001), "russell", home)
	if p := b.Peers()["russell"]; p.Record.Sequence != 5001 {
		t.Error("after the flood a good record is not taken")
	}
}

func TestZoneAnswersRisingSequences(t *testing.T) {
	clock := testStart
	z := &zone{key: keyOf("frege"), now: func() time.Time { return clock }}
	r := record("frege")
	if err := z.publish(r); err != nil {
		t.Fatal(err)
	}
	sequence := func() uint64 {
		got := answers(packed(t, z))
		if len(got) != 1 {
			t.Fatalf("%d records in the answer", len(got))
		}
		m, err := Parse(got[0])
		if err != nil {
			t.Fatal(err)
		}
		if m.Record.Waiting != r.Waiting || !m.Verify(public("frege")) {
			t.Errorf("the answer holds %q, verified %v", m.Record.Waiting, m.Verify(public("frege")))
		}
		return m.Record.Sequence
	}
	first := sequence()
	if again := sequence(); again != first {
		t.Errorf("a second question at once was signed anew: %d after %d", again, first)
	}
	clock = clock.Add(300 * time.Millisecond)
	second := sequence()
	clock = clock.Add(-time.Hour) // the clock is set
	if third := sequence(); !(first < second && second < third) {
		t.Errorf("sequences %d, %d, %d do not rise", first, second, third)
	}
	for name, n := range map[string]int{
		"frege-7f3a1c22._ringboot._tcp.local.": 2, "FREGE-7f3a1c22._ringboot._TCP.local.": 2, "frege-7f3a1c22.local.": 2,
		metaService: 1, "other._tcp.local.": 0, "frege.local.": 0,
	} {
		if got := z.Records(dns.Question{Name: name, Qtype: dns.TypeANY}); len(got) != n {
			t.Errorf("%s: %d answers, want %d", name, len(got), n)
		}
	}
}
