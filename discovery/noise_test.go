package discovery

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What any host can send fills no history, and keeps nothing out of it that
// befalls a node of the profile.
func TestStrangersFillNoHistory(t *testing.T) {
	b := newBench(t)
	noise := 0
	b.noise.out = func(string) { noise++ }
	sequence := uint64(5000)
	b.hear(russell("aa", sequence), "russell", home)
	const minutes = 20
	for second := range minutes * 60 {
		b.clock = b.clock.Add(time.Second)
		for i, node := range []string{"frege", "russell", "wittgenstein", fmt.Sprint("node", second)} {
			lie := russell(fmt.Sprint("0", i), sequence+100000)
			lie.Node = node
			b.hear(lie, "mallory", enemy)
			lie.ClusterID = fmt.Sprintf("%08x", second)
			b.hear(lie, "mallory", enemy)
		}
		b.hear(russell("99", 100), "russell", enemy) // replayed
		b.observe([]string{"junk"}, enemy, "eth0")
		sequence++
		b.hear(russell("aa", sequence), "russell", home)
		b.nextRound()
	}
	if len(b.events) > 0 {
		t.Errorf("strangers wrote history: %q", b.events)
	}
	if noise == 0 || noise > minutes*eventsPerMin+eventsPerMin {
		t.Errorf("%d lines of strangers in %d minutes", noise, minutes)
	}
	for range missedRounds + 1 {
		b.nextRound()
	}
	if got := strings.Join(b.events, "\n"); got != "russell has not answered in 3 rounds" {
		t.Errorf("that russell went is told as %q", got)
	}
}

// A flood of forged records, more than a node checks, does not hide a peer.
func TestForgedRecordsHideNobody(t *testing.T) {
	b := newBench(t)
	sequence := uint64(5000)
	b.hear(russell("aa", sequence), "russell", home)
	lie := russell("bb", 9000)
	texts, err := lie.Sign(keyOf("mallory"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		b.clock = b.clock.Add(time.Second)
		for range 10 * verifyPerSec {
			b.observe(texts, enemy, "eth0")
		}
		sequence++
		b.hear(russell("aa", sequence), "russell", home)
		b.nextRound()
		if p := b.Peers()["russell"]; !p.Alive || p.Record.Sequence != sequence {
			t.Fatalf("russell is not heard: %+v", p)
		}
	}
	if c := b.Counts(); c.Forged > 21*verifyPerSec {
		t.Errorf("%d signatures were checked in 20 seconds", c.Forged)
	}
}
