package management

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringboot/rehearsal/lan"
	"ringboot/rehearsal/need"
)

// probeEnv makes the test binary ask on a port, in the namespace that it runs in.
const probeEnv = "RINGBOOT_TEST_PROBE"

func TestMain(m *testing.M) { need.Main(m, probeEnv, probeMain) }

// probeMain asks once: another question follows only after a second.
func probeMain(what string) error {
	var name, gateway string
	var tag, limit int // in ms
	if _, err := fmt.Sscan(what, &name, &gateway, &tag, &limit); err != nil {
		return err
	}
	at, err := netip.ParseAddr(gateway)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(limit)*time.Millisecond)
	defer cancel()
	return ProbePort(ctx, name, at, tag)
}

var networks atomic.Int64

// A port finds the gateway that answers in its own network, and no other, and gives
// no address of the node away. A question with a tag is not answered without it.
func TestAPortFindsItsGateway(t *testing.T) {
	need.Root(t)
	need.Tools(t, "ip")
	n, err := lan.New(&networks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	node, err := n.Machine("node")
	must(err)
	router, err := n.Machine("router")
	must(err)
	sw, err := n.Switch()
	must(err)
	_, err = node.Plug(sw, "203.0.113.7/24")
	must(err)
	_, err = router.Plug(sw, "192.0.2.1/24")
	must(err)
	_, err = node.Plug(sw)
	must(err)
	must(node.IP("link", "set", "eth1", "down"))
	self, err := os.Executable()
	must(err)
	for _, c := range []struct{ what, want string }{ // only what nobody answers has a short limit
		{"eth0 192.0.2.1 0 10000", ""},
		{"eth0 192.0.2.1 16 500", "nobody answers for the gateway on this port"},
		{"eth0 192.0.2.9 0 500", "nobody answers for the gateway on this port"},
		{"eth9 192.0.2.1 0 10000", "probe eth9: route ip+net: no such network interface"},
		{"eth1 192.0.2.1 0 10000", "probe eth1: network is down"},
	} {
		cmd := node.Command(self, "-test.run=^$")
		cmd.Env = append(os.Environ(), probeEnv+"="+c.what)
		said, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(said)); got != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", c.what, got, err)
		}
	}
	// Whoever was asked knows nothing of the node's address.
	if neighbours, err := router.Command("ip", "neigh", "show").Output(); err != nil || strings.Contains(string(neighbours), "203.0.113.7") {
		t.Errorf("%s, %v", neighbours, err)
	}
}
