package cable

import (
	"golang.org/x/net/dns/dnsmessage"
)

// IsMDNS tells whether a frame carries multicast DNS.
func IsMDNS(frame []byte) bool {
	d, ok := udp(frame)
	return ok && (d.fromPort == portMDNS || d.toPort == portMDNS)
}

// IsCorosync tells whether a frame carries what corosync's nodes say to each
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
