package profiles

import (
	"fmt"
	"strings"
	"testing"
)

// IPv6 on the management network is said whole, or refused with what is missing.
func TestAddressesOfIPv6(t *testing.T) {
	const good = "prefix6: 2001:db8::/64, gateway6: 2001:db8::1"
	for name, c := range map[string]struct{ management, node, says string }{
		"said":                  {good, "address6: '2001:db8::1%[1]d', ", ""},
		"by the router's word":  {"prefix6: fd00:12::/48", "address6: 'fd00:12::%[1]d', ", ""},
		"by a link-local one":   {"prefix6: 2001:db8::/64, gateway6: fe80::1", "address6: '2001:db8::1%[1]d', ", ""},
		"no addresses":          {good, "", "nodes[0].address6: is missing; with management.prefix6 every node has an IPv6 address"},
		"no network":            {"", "address6: '2001:db8::1%[1]d', ", "nodes[0].address6: is in no network; write management.prefix6, too"},
		"a gateway alone":       {"gateway6: 2001:db8::1", "", "management.gateway6: is the way out for IPv6 addresses, and there are none"},
		"of a port":             {"prefix6: 2001:db8::/64, gateway6: 'fe80::1%eth0'", "address6: '2001:db8::1%[1]d', ", "management.gateway6: fe80::1%eth0 names a port (eth0)"},
		"of another network":    {good, "address6: '2001:db9::1%[1]d', ", "nodes[0].address6: 2001:db9::11 is not in management.prefix6 2001:db8::/64"},
		"the same twice":        {good, "address6: '2001:db8::11', ", `nodes[1].address6: address "2001:db8::11" stands at nodes[0].address6 too`},
		"the gateway's":         {good, "address6: '2001:db8::%[1]d', ", `nodes[0].address6: address "2001:db8::1" stands at management.gateway6 too`},
		"the network's":         {"prefix6: 2001:db8::/64", "address6: '2001:db8::', ", "is the address of all routers"},
		"IPv4":                  {"prefix6: 192.0.2.0/24", "", "management.prefix6: 192.0.2.0/24 is not IPv6"},
		"no network of its own": {"prefix6: fe80::/64", "", "management.prefix6: fe80::/64 is no network of addresses that one keeps"},
		"bits beyond":           {"prefix6: 2001:db8::1/64", "", "write 2001:db8::/64"},
		"no address at all":     {"prefix6: lan", "", `"lan" is not allowed; write an IPv6 network such as 2001:db8::/64`},
		"with a network kept":   {good + ", keep: true", "address6: '2001:db8::1%[1]d', ", "management.prefix6: is made by the agent"},
	} {
		m := "{" + lan + "}"
		if c.management != "" {
			m = "{" + lan + ", " + c.management + "}"
		}
		b := box{nodes: 3, node: c.node + strings.TrimSpace(twoPorts), keys: map[string]string{"ring": tb4, "management": m}}
		p, err := Load("box.yaml", []byte(b.text()))
		if got := fmt.Sprint(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s\nlacks %q", name, got, c.says)
		}
		if err != nil {
			continue
		}
		text, err := Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Load("again.yaml", text); err != nil || again.Nodes[2].Address6 != p.Nodes[2].Address6 || again.Management.Prefix6 != p.Management.Prefix6 {
			t.Errorf("%s: read back %v\n%s", name, err, text)
		}
	}
}
