package sim

import (
	"fmt"
	"strings"
)

// Member is one entry of .members.
type Member struct {
	Name   string
	ID     int
	Online bool
	IP     string // known once pmxcfs of the node has synced
}

// membersText is /etc/pve/.members; bare for a node that is not in cluster mode.
func membersText(self string, version int, cluster string, conf int, quorate bool, list []Member) []byte {
	if cluster == "" {
		return fmt.Appendf(nil, "{\n\"nodename\": %q,\n\"version\": %d\n}\n", self, version)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\"nodename\": %q,\n\"version\": %d,\n\"cluster\": { \"name\": %q, \"version\": %d, \"nodes\": %d, \"quorate\": %d },\n\"nodelist\": {\n",
		self, version, cluster, conf, len(list), Digit(quorate))
	for i, m := range list {
		fmt.Fprintf(&b, "  %q: { \"id\": %d, \"online\": %d", m.Name, m.ID, Digit(m.Online))
		if m.IP != "" {
			fmt.Fprintf(&b, ", \"ip\": %q", m.IP)
		}
		b.WriteString("}")
		if i < len(list)-1 {
			b.WriteString(",")
		}
		b.WriteString("\n")
	}
	b.WriteString("  }\n}\n")
	return []byte(b.String())
}

// Digit is how the tools write a truth.
func Digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
