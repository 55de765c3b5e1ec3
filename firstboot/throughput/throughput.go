// Package throughput measures one link between two nodes: how many bits per
// second TCP carries, how many segments it had to send again, how long a
// round trip takes, and whether a packet of the full MTU passes undivided.
//
// The one end serves (Serve), the other measures (Measure); both know a token
// that they were handed over a channel they trust, and whoever does not send
// it first is hung up on. It is a tester for a cable, not for a network: it
// sends as fast as it can, and it decides nothing about where traffic goes.
package throughput

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ringboot/profiles"
)

// Token is the secret of one session. It keeps strangers on the link from
// using up its bandwidth; the bytes that are sent mean nothing.
type Token [16]byte

// Target is where to measure and how.
type Target struct {
	Addr   netip.AddrPort // of the serving end, TCP and UDP
	Local  netip.Addr     // own address; zero: as the routes say
	Device string         // network device that must carry it; empty: any
	Token  Token
	Time   time.Duration // length of the bandwidth run
	MTU    int           // bytes; 0 leaves out the full-size test
}

// Result is what one direction of a link does, from the measuring end to the
// serving one.
type Result struct {
	Bytes       uint64        `json:"bytes"`       // that arrived
	Elapsed     time.Duration `json:"elapsed_ns"`  // from the first to the last of them
	Gbit        float64       `json:"gbit"`        // 1e9 bits per second
	Retransmits uint64        `json:"retransmits"` // segments sent again
	Segment     int           `json:"segment"`     // TCP's maximum segment, bytes
	Latency     Latency       `json:"latency"`
	MTU         int           `json:"mtu"`
	FullSize    FullSize      `json:"full_size"`
}

// Latency is the round trip of a small message on a quiet link, in milliseconds.
type Latency struct {
	Median float64 `json:"median_ms"`
	Worst  float64 `json:"p99_ms"` // 99 of 100 were faster
	Trips  int     `json:"trips"`
}

// FullSize tells about packets of exactly the MTU with "don't fragment" set.
type FullSize struct {
	Sent     int    `json:"sent"`
	Returned int    `json:"returned"`
	Error    string `json:"error,omitempty"`
}

// OK reports whether every packet came back.
func (f FullSize) OK() bool { return f.Sent > 0 && f.Sent == f.Returned }

// latencyOf makes the figures of round trips.
func latencyOf(trips []time.Duration) Latency {
	if len(trips) == 0 {
		return Latency{}
	}
	slices.Sort(trips)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{
		Median: ms(trips[len(trips)/2]),
		Worst:  ms(trips[min(len(trips)-1, len(trips)*99/100)]),
		Trips:  len(trips),
	}
}

// Grade is the judgement of a link in one direction.
type Grade string

// The three grades.
const (
	Good Grade = "good"
	Slow Grade = "slow" // works, and the report names it
	Bad  Grade = "bad"  // the ring is not what was paid for: the acceptance fails
)

// Judge grades a result and says why in words that follow "frege to russell: ".
func Judge(r Result, l profiles.Limits) (Grade, string) {
	switch {
	case r.FullSize.Sent > 0 && !r.FullSize.OK():
		return Bad, fmt.Sprintf("%d of %d packets of %d bytes came back undivided; set the same MTU on both ends, then take the cable out and put it back",
			r.FullSize.Returned, r.FullSize.Sent, r.MTU)
	case r.Gbit < l.Fail:
		return Bad, fmt.Sprintf("%.1f Gbit/s, below %g; reseat or replace the cable", r.Gbit, l.Fail)
	case r.Gbit < l.OneLane:
		return Slow, fmt.Sprintf("%.1f Gbit/s of the %g that a sound link reaches: one lane only, or interrupts on an efficiency core; check rx_lanes, reseat the cable", r.Gbit, l.Accept)
	case r.Gbit < l.Accept:
		return Slow, fmt.Sprintf("%.1f Gbit/s of the %g that a sound link reaches; check the cable and where its interrupts run", r.Gbit, l.Accept)
	}
	return Good, fmt.Sprintf("%.1f Gbit/s", r.Gbit)
}

// Worse returns the worse of two grades.
func Worse(a, b Grade) Grade {
	rank := map[Grade]int{Good: 0, Slow: 1, Bad: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// ErrToken is returned to a server's owner when nobody came with the right token.
var ErrToken = errors.New("no measurement came with the right token")

// The protocol: the measuring end sends the token and one byte that says what
// follows. All numbers are big endian.
const (
	kindStream = 'S' // bytes until the sender shuts down; then 8 bytes count, 8 bytes nanoseconds back
	kindEcho   = 'E' // messages of echoSize bytes, each sent back

	echoSize  = 64
	echoTrips = 500

	// Blocks as large as iperf3's are enough to keep a 25 Gbit/s link busy
	// from one core; larger ones fall out of the cache.
	blockSize = 256 << 10

	fullSizeSent = 8
	// An IPv4 header without options and a UDP header (RFC 791, RFC 768).
	headers = 20 + 8

	helloTime = 5 * time.Second // to send the token
	slack     = 10 * time.Second
)
