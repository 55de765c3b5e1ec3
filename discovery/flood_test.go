package discovery

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"ringboot/rehearsal/need"
)

// A packet that is full of questions brings out of a node less than ten times
// its bytes, and a flood of them no more than so many answers a second.
func TestQuestionsAreNoLever(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	z := &zone{key: key, now: func() time.Time { return clock }}
	r := Record{ClusterID: "0123456789abcdef", Node: "frege", Run: "01020304", Boot: "5f2c11d0", Phase: "forming", Step: 5, Steps: 11, Waiting: "waits for russell and wittgenstein",
		Port: 8643, Fingerprint: "vXb0Yk3yqvTz4lq2JqPZC1n1m5sV0n3c3pTQ8h3m0aE", Plan: "8f14e45fceea167a", Addresses: []netip.Addr{netip.MustParseAddr("10.203.3.11"), netip.MustParseAddr("10.203.4.11")}}
	if err := z.publish(r); err != nil {
		t.Fatal(err)
	}
	var m dns.Msg
	for range 100 {
		m.Question = append(m.Question, dns.Question{Name: service, Qtype: dns.TypeANY, Qclass: dns.ClassINET})
	}
	m.Compress = true // as little as an attacker can send
	packet, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	// Each question is answered by a packet of its own, as the library does it.
	bytes, answered := 0, 0
	ask := func() {
		for _, q := range m.Question {
			if rrs := z.Records(q); len(rrs) > 0 {
				answer := dns.Msg{Answer: rrs}
				answer.Response = true
				answered++
				bytes += answer.Len()
			}
		}
	}
	ask()
	factor := float64(bytes) / float64(len(packet))
	if factor > 10 {
		t.Errorf("%d bytes of questions brought %d of answers", len(packet), bytes)
	}
	need.Figure("trust.amplification", factor, "ratio")
	for range 1000 {
		clock = clock.Add(time.Millisecond)
		ask()
	}
	if answered > answersBurst*2+answersPerSec {
		t.Errorf("%d answers in a second", answered)
	}
}
