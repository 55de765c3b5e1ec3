package tools

import (
	"fmt"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
)

// quorumText is the lower part of pvecm status and all of corosync-quorumtool
// -s. pvecm shows ids in hexadecimal and addresses, quorumtool decimal ids and
// names. The blanks at the ends of lines are the real ones.
func quorumText(q sim.Corosync, now time.Time, hex bool) string {
	id := func(n int) string {
		if hex {
			return fmt.Sprintf("0x%08x", n)
		}
		return fmt.Sprint(n)
	}
	yes, quorum, flags := "No", fmt.Sprintf("%d Activity blocked", q.Quorum), ""
	if q.Quorate {
		yes, quorum, flags = "Yes", fmt.Sprintf("%d  ", q.Quorum), "Quorate "
	}
	total := 0
	for _, m := range q.Members {
		n, _ := q.Conf.ByID(m)
		total += n.Votes
	}
	var b strings.Builder
	fmt.Fprintf(&b, `Quorum information
------------------
Date:             %s
Quorum provider:  corosync_votequorum
Nodes:            %d
Node ID:          %s
Ring ID:          %s
Quorate:          %s

Votequorum information
----------------------
Expected votes:   %d
Highest expected: %d
Total votes:      %d
Quorum:           %s
Flags:            %s

`, now.Format("Mon Jan _2 15:04:05 2006"), len(q.Members), id(q.NodeID), q.RingID, yes, q.Expected, q.Expected, total, quorum, flags)
	b.WriteString(membershipText(q, hex))
	return b.String()
}

func membershipText(q sim.Corosync, hex bool) string {
	var b strings.Builder
	b.WriteString("Membership information\n----------------------\n    Nodeid      Votes Name\n")
	for _, m := range q.Members {
		n, _ := q.Conf.ByID(m)
		local := ""
		if m == q.NodeID {
			local = " (local)"
		}
		if hex {
			fmt.Fprintf(&b, "0x%08x %10d %s%s\n", m, n.Votes, first(n.Addr), local)
		} else {
			fmt.Fprintf(&b, "%10d %10d %s%s\n", m, n.Votes, n.Name, local)
		}
	}
	return b.String()
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// statusHead is the upper part of pvecm status: it comes from the
// configuration, not from the running corosync.
func statusHead(c sim.Conf) string {
	return fmt.Sprintf(`Cluster information
-------------------
Name:             %s
Config Version:   %d
Transport:        knet
Secure auth:      on

`, c.Name, c.Version)
}

// linksText is corosync-cfgtool -s.
func linksText(q sim.Corosync) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Local node ID %d, transport knet\n", q.NodeID)
	own, _ := q.Conf.ByID(q.NodeID)
	for _, l := range q.Conf.Links {
		if l.Number >= len(own.Addr) {
			continue
		}
		fmt.Fprintf(&b, "LINK ID %d udp\n\taddr\t= %s\n\tstatus:\n", l.Number, own.Addr[l.Number])
		for _, n := range q.Conf.Nodes {
			state := "disconnected"
			if n.ID == q.NodeID {
				state = "localhost"
			}
			for _, k := range q.Links {
				if k.NodeID == n.ID && k.Number == l.Number && k.Connected {
					state = "connected"
				}
			}
			fmt.Fprintf(&b, "\t\tnodeid: %10d:\t%s\n", n.ID, state)
		}
	}
	return b.String()
}

// neighboursText is corosync-cfgtool -n: a dead peer is not listed at all, a
// dead link of a living peer lacks the word connected.
func neighboursText(q sim.Corosync) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Local node ID %d, transport knet\n", q.NodeID)
	for _, m := range q.Members {
		if m == q.NodeID {
			continue
		}
		fmt.Fprintf(&b, "nodeid: %d reachable\n", m)
		for _, l := range q.Links {
			if l.NodeID != m {
				continue
			}
			connected := ""
			if l.Connected {
				connected = "connected "
			}
			fmt.Fprintf(&b, "   LINK: %d udp (%s->%s) enabled %smtu: %d\n", l.Number, l.From, l.To, connected, l.MTU)
		}
		b.WriteString("\n")
	}
	return b.String()
}
