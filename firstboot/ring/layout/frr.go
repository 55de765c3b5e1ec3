package layout

import (
	"fmt"
	"strings"
)

// Where FRR's part lies. Proxmox VE's SDN writes FRRFile anew when it is
// applied and merges FRRLocalFile into it, so the text stands in both.
const (
	FRRFile        = "/etc/frr/frr.conf"
	FRRLocalFile   = "/etc/frr/frr.conf.local"
	FRRDaemonsFile = "/etc/frr/daemons"
)

// The timers of OpenFabric. A link that is up but dead is left after hello x
// multiplier = 3 s; carrier loss acts at once.
const (
	fabricHello      = 1 // s
	fabricMultiplier = 3
	fabricCSNP       = 2   // s
	fabricLSPGen     = 1   // s
	fabricLifetime   = 600 // s
	fabricRefresh    = 180 // s
)

// FabricConfig renders FRR's configuration of OpenFabric on top of the static
// routes, which zebra prefers by their administrative distance.
func FabricConfig(cfg Config) string {
	var b strings.Builder
	// The refresh stands before the lifetime: fabricd checks them line by line.
	b.WriteString("! Written by ringboot. Changes are undone.\n")
	fmt.Fprintf(&b, "frr defaults traditional\nhostname %s\nlog syslog warning\n!\n", cfg.Node)
	fmt.Fprint(&b, "interface lo\n ip router openfabric ring\n openfabric passive\nexit\n!\n")
	for _, p := range cfg.Ports {
		fmt.Fprintf(&b, "interface %s\n ip router openfabric ring\n openfabric hello-interval %d\n openfabric hello-multiplier %d\n openfabric csnp-interval %d\nexit\n!\n",
			p.Name, fabricHello, fabricMultiplier, fabricCSNP)
	}
	fmt.Fprintf(&b, "router openfabric ring\n net %s\n lsp-gen-interval %d\n lsp-refresh-interval %d\n max-lsp-lifetime %d\nexit\n!\nend\n",
		fabricNet(cfg), fabricLSPGen, fabricRefresh, fabricLifetime)
	return b.String()
}

// fabricNet is the node's network entity title (ISO 10589 7.1): area 49.0001,
// then its place in the profile as system id.
func fabricNet(cfg Config) string {
	for i, n := range cfg.Order {
		if n == cfg.Node {
			text := fmt.Sprintf("%012d", i+1)
			return fmt.Sprintf("49.0001.%s.%s.%s.00", text[:4], text[4:8], text[8:])
		}
	}
	return ""
}

// FabricDaemons switches fabricd on in the text of FRRDaemonsFile and leaves
// the rest of it alone.
func FabricDaemons(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if key, _, ok := strings.Cut(l, "="); ok && strings.TrimSpace(key) == "fabricd" {
			lines[i] = "fabricd=yes"
			return strings.Join(lines, "\n")
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + "fabricd=yes\n"
}
