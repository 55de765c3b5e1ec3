package discovery

import (
	"crypto/ed25519"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

const (
	service     = "_ringboot._tcp.local."
	metaService = "_services._dns-sd._udp.local." // RFC 6763 9
	maxLabel    = 63                              // RFC 1035 2.3.4
	ttl         = 10                              // seconds; a reader that caches forgets a dead node soon
)

// resignAfter is the age at which an answer gets a new sequence number. It is
// shorter than the shortest round, so that a living node's record is newer in
// each round and a replayed one is not; and it bounds the signatures that a
// flood of queries can cause to four a second.
const resignAfter = 250 * time.Millisecond

// Bounds of what a flood of questions, or one packet that is full of them, can
// bring out of a node. Forty nodes that were switched on together ask less.
const (
	answersPerSec = 200
	answersBurst  = 6
)

// zone answers questions about one node's record. All servers share it, so
// that it does not matter which of them answers.
type zone struct {
	key     ed25519.PrivateKey
	now     func() time.Time
	signing sync.Mutex
	current atomic.Pointer[published]

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

// afford bounds the answers of a second, and those at one time.
func (z *zone) afford() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	now := z.now()
	if z.filled.IsZero() {
		z.tokens = answersBurst
	}
	z.tokens = min(answersBurst, z.tokens+max(0, now.Sub(z.filled).Seconds())*answersPerSec)
	z.filled = now
	if z.tokens < 1 {
		return false
	}
	z.tokens--
	return true
}

// published is never changed after it was stored.
type published struct {
	record   Record // as handed in
	sequence uint64
	at       time.Time
	instance string
	answers  []dns.RR // PTR, SRV, TXT, A, AAAA
}

// publish replaces the record.
func (z *zone) publish(r Record) error {
	z.signing.Lock()
	defer z.signing.Unlock()
	return z.sign(r)
}

// sign stores the record under the next sequence number. The caller holds signing.
func (z *zone) sign(r Record) error {
	now := z.now()
	r.Sequence = uint64(max(0, now.UnixMilli()))
	if old := z.current.Load(); old != nil {
		r.Sequence = max(r.Sequence, old.sequence+1)
	}
	texts, err := r.Sign(z.key)
	if err != nil {
		return err
	}
	z.current.Store(newPublished(r, texts, now))
	return nil
}

// sequence is the last one that was given out.
func (z *zone) sequence() uint64 {
	if p := z.current.Load(); p != nil {
		return p.sequence
	}
	return 0
}

func newPublished(r Record, texts []string, now time.Time) *published {
	// The start of the agent is part of the names: two machines with one name
	// do not overwrite each other in a reader, they are both seen.
	label := strings.TrimRight(r.Node[:min(len(r.Node), maxLabel-1-len(r.Run))], "-") + "-" + r.Run
	p := &published{record: r, sequence: r.Sequence, at: now, instance: label + "." + service}
	host := label + ".local."
	head := func(name string, kind uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	p.answers = []dns.RR{
		&dns.PTR{Hdr: head(service, dns.TypePTR), Ptr: p.instance},
		&dns.SRV{Hdr: head(p.instance, dns.TypeSRV), Port: uint16(r.Port), Target: host},
		&dns.TXT{Hdr: head(p.instance, dns.TypeTXT), Txt: escaped(texts)},
	}
	v4, v6 := false, false
	for _, a := range r.Addresses {
		switch {
		case a.Is4() && !v4:
			v4 = true
			p.answers = append(p.answers, &dns.A{Hdr: head(host, dns.TypeA), A: net.IP(a.AsSlice())})
		case a.Is6() && !v6:
			v6 = true
			p.answers = append(p.answers, &dns.AAAA{Hdr: head(host, dns.TypeAAAA), AAAA: net.IP(a.AsSlice())})
		}
	}
	return p
}

// Records implements mdns.Zone.
func (z *zone) Records(q dns.Question) []dns.RR {
	p := z.current.Load()
	if p == nil {
		return nil
	}
	name := strings.ToLower(q.Name)
	if !p.known(name) || !z.afford() {
		return nil
	}
	if name == metaService {
		return []dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: metaService, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: ttl}, Ptr: service}}
	}
	p = z.fresh(p)
	if name == service {
		if q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY {
			return nil
		}
		return p.answers
	}
	var out []dns.RR
	for _, rr := range p.answers {
		if h := rr.Header(); h.Name == name && (q.Qtype == h.Rrtype || q.Qtype == dns.TypeANY) {
			out = append(out, rr)
		}
	}
	return out
}

// known reports whether a name is one of those that are answered for.
func (p *published) known(name string) bool {
	return name == metaService || name == service || name == p.instance || name == p.answers[1].(*dns.SRV).Target
}

// fresh is what is published, signed again where that is due.
func (z *zone) fresh(p *published) *published {
	if age := z.now().Sub(p.at); (age > resignAfter || age < 0) && z.signing.TryLock() {
		_ = z.sign(p.record) // it was signed before: only the number changes
		z.signing.Unlock()
		return z.current.Load()
	}
	return p
}

func escaped(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = escape(t)
	}
	return out
}
