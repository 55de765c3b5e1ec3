package cluster

import (
	"net/netip"
	"strings"
	"testing"

	"ringboot/profiles"
)

func TestTheFirewallsGroup(t *testing.T) {
	p := &profiles.Profile{Management: profiles.Management{Prefix: netip.MustParsePrefix("10.203.3.0/24")}, Ring: profiles.Ring{Prefix: netip.MustParsePrefix("10.203.4.0/24")},
		Ceph: profiles.Ceph{Enabled: true, Network: "ring"}, Agent: profiles.Agent{Port: 8643, StatusPort: 8644}}
	rules := groupRules(p)
	for _, want := range []string{
		"IN ACCEPT -source 10.203.3.0/24 -p tcp -dport 8643 -log nolog # agents",
		"IN ACCEPT -source 10.203.4.0/24 -p tcp -dport 3300,6789,6800:7568 -log nolog # Ceph",
		"IN ACCEPT -p udp -dport 7343 -log nolog # the ring's hello",
	} {
		if !strings.Contains(strings.Join(rules, "\n"), want) {
			t.Errorf("no rule %q in %q", want, rules)
		}
	}
	const own = "[OPTIONS]\n\nenable: 0\n\n[ALIASES]\n\nnas 10.203.3.9\n\n[RULES]\n\nIN SSH(ACCEPT) -log nolog\n\n[group web]\n\nIN HTTPS(ACCEPT) -log nolog\n"
	for name, have := range map[string]string{"nothing": "", "somebody's rules": own, "an older group of ours": withGroup(own, rules[:1])} {
		text := withGroup(have, rules)
		if again := withGroup(text, rules); again != text {
			t.Errorf("%s: not at rest:\n%s\n%s", name, text, again)
		}
		if strings.Count(text, "[RULES]") != 1 || strings.Count(text, "GROUP ringboot") != 1 || strings.Count(text, "[group ringboot]") != 1 {
			t.Errorf("%s:\n%s", name, text)
		}
		for line := range strings.Lines(own) {
			if have != "" && !strings.Contains(text, line) {
				t.Errorf("%s: %q is gone:\n%s", name, line, text)
			}
		}
		if strings.Contains(text, "enable: 1") {
			t.Errorf("%s: the firewall was switched on", name)
		}
	}
}

// Without a ring there is one network, and each rule stands once.
func TestTheFirewallsGroupWithoutARing(t *testing.T) {
	lan := netip.MustParsePrefix("10.203.3.0/24")
	p := &profiles.Profile{Management: profiles.Management{Prefix: lan}, Ring: profiles.Ring{Transport: profiles.TransportNone, Prefix: lan},
		Ceph: profiles.Ceph{Enabled: true, Network: "lan"}, Agent: profiles.Agent{Port: 8643, StatusPort: 8644}}
	seen := map[string]bool{}
	for _, r := range groupRules(p) {
		if seen[r] {
			t.Errorf("twice: %s", r)
		}
		seen[r] = true
	}
}
