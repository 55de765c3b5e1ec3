package cable

import (
	"encoding/binary"
	"encoding/json"

	"golang.org/x/net/dns/dnsmessage"
)

// IsMDNS reports whether a frame carries multicast DNS.
func IsMDNS(frame []byte) bool {
	d, ok := udp(frame)
	return ok && (d.fromPort == portMDNS || d.toPort == portMDNS)
}

// IsCorosync reports whether a frame carries what corosync's nodes say to each
// other: link n on UDP port 5405+n, of at most eight links (corosync.conf(5)).
func IsCorosync(frame []byte) bool {
	const links = 8
	d, ok := udp(frame)
	return ok && d.toPort >= portCorosync && d.toPort < portCorosync+links
}

// Announcements returns the strings of every TXT record that a frame answers
// with over multicast DNS; nil for all other frames.
func Announcements(frame []byte) [][]string {
	d, ok := udp(frame)
	if !ok || d.fromPort != portMDNS {
		return nil
	}
	var p dnsmessage.Parser
	h, err := p.Start(d.payload)
	if err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return nil
	}
	var texts [][]string
	collect := func(header func() (dnsmessage.ResourceHeader, error), skip func() error) {
		for {
			h, err := header()
			if err != nil {
				return
			}
			if h.Type != dnsmessage.TypeTXT {
				if skip() != nil {
					return
				}
				continue
			}
			r, err := p.TXTResource()
			if err != nil {
				return
			}
			texts = append(texts, r.TXT)
		}
	}
	collect(p.AnswerHeader, p.SkipAnswer)
	if p.SkipAllAuthorities() == nil {
		collect(p.AdditionalHeader, p.SkipAdditional)
	}
	return texts
}

// The hello of the ring's keepers, as far as it is listened to: magic, version,
// kind, 2 bytes of the body's length, and the body in JSON.
const (
	helloMagic    = "RBRH"
	helloVersion  = 1
	helloAnnounce = 1
	helloHeader   = 8
)

// OwnKey returns what a frame of the ring says of its sender's key: the key that
// the node made itself, and behind it the signature of the voucher from its
// stick. It is empty for all other frames, and nothing in it is proven.
func OwnKey(frame []byte) (node string, word []byte) {
	d, ok := udp(frame)
	if !ok || d.toPort != portHello || len(d.payload) < helloHeader || string(d.payload[:4]) != helloMagic ||
		d.payload[4] != helloVersion || d.payload[5] != helloAnnounce {
		return "", nil
	}
	n := int(binary.BigEndian.Uint16(d.payload[6:8]))
	var body struct {
		Node string `json:"node"`
		Own  []byte `json:"own"`
	}
	if len(d.payload) < helloHeader+n || json.Unmarshal(d.payload[helloHeader:helloHeader+n], &body) != nil {
		return "", nil
	}
	return body.Node, body.Own
}
