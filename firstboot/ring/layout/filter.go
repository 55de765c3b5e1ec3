package layout

import (
	"fmt"
	"strings"
)

// The ring is apart: what comes from elsewhere does not reach an address of it,
// and what a node forwards goes from one port of the ring to the other. That is
// a table of our own, beside those of whoever else filters: what any of them
// drops is dropped, so ours takes nothing away from Proxmox VE's firewall.
const (
	FilterTable = "ringboot_ring"
	FilterFile  = "/etc/ringboot/ring.nft"
)

// filterFile is the table for nft. The first two lines make it anew, in one step.
func filterFile(cfg Config) string {
	var addrs, ports []string
	for _, a := range cfg.addrs() {
		addrs = append(addrs, a.String())
	}
	for _, p := range cfg.Ports {
		ports = append(ports, `"`+p.Name+`"`)
	}
	set := "{ " + strings.Join(ports, ", ") + " }"
	return written + fmt.Sprintf(`table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
	chain input {
		type filter hook input priority filter - 5; policy accept;
		ip daddr { %[2]s } iifname != { "lo", %[4]s } drop
	}
	chain forward {
		type filter hook forward priority filter - 5; policy accept;
		iifname %[3]s oifname %[3]s accept
		iifname %[3]s drop
		oifname %[3]s drop
	}
}
`, FilterTable, strings.Join(addrs, ", "), set, strings.Join(ports, ", "))
}
