package alone

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pairing"
	"ringboot/firstboot/status"
	"ringboot/profiles/fault"
)

// on is a machine below a root, with Thunderbolt controllers at these places.
func on(t *testing.T, controllers ...string) Machine {
	t.Helper()
	m := On(t.TempDir(), "test", func(string) {})
	put(t, m, "/proc/sys/kernel/hostname", "frege.example.org\n", 0o644)
	for _, at := range controllers {
		put(t, m, "/sys/bus/pci/devices/"+at+"/class", "0x0c0340\n", 0o644)
	}
	for _, tool := range []string{"nft", "udevadm", "systemctl", "update-initramfs", "modprobe"} {
		put(t, m, "/usr/sbin/"+tool, "#!/bin/sh\necho "+tool+" \"$@\" >>'"+m.Root+"/called'\n", 0o755)
	}
	return m
}

func put(t *testing.T, m Machine, path, text string, mode os.FileMode) {
	t.Helper()
	if err := m.Host.Files.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, m Machine, path string) string {
	t.Helper()
	b, err := m.Host.Files.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var address = netip.MustParseAddr("10.203.4.11")

func TestTheFirstPairingWritesTheFile(t *testing.T) {
	for _, c := range []struct {
		controllers []string
		want        string
	}{
		{[]string{"0000:00:0d.2", "0000:00:0d.3"}, "    - {name: en05, path: \"pci-0000:00:0d.2\", driver: thunderbolt-net}\n    - {name: en06, path: \"pci-0000:00:0d.3\", driver: thunderbolt-net}\n"},
		{[]string{"0000:05:00.0"}, "    - {name: en05, path: \"pci-0000:05:00.0\", driver: thunderbolt-net, port: 1}\n    - {name: en06, path: \"pci-0000:05:00.0\", driver: thunderbolt-net, port: 3}\n"},
	} {
		m := on(t, c.controllers...)
		if err := m.Begin(address); err != nil {
			t.Fatal(err)
		}
		if got := text(t, m, ConfigFile); !strings.HasSuffix(got, "ring:\n  transport: thunderbolt\n  ports:\n"+c.want+"nodes:\n  - {name: frege, ring: 10.203.4.11}\n") {
			t.Errorf("%v: wrote\n%s", c.controllers, got)
		}
		a, err := m.config()
		if err != nil || a.MTU != 65520 || len(a.Ports) != 2 {
			t.Errorf("%+v %v", a, err)
		}
		if err := m.Begin(address); err != nil {
			t.Errorf("once more: %v", err)
		}
		if err := m.Begin(address.Next()); fault.Of(err) != fault.Refused {
			t.Errorf("with another address: %v", err)
		}
	}
	for _, controllers := range [][]string{nil, {"0000:00:0d.2", "0000:00:0d.3", "0000:05:00.0"}} {
		m := on(t, controllers...)
		if err := m.Begin(address); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "and a ring needs one with two ports, or two") {
			t.Errorf("%v: %v", controllers, err)
		}
		if host.Exists(m.Host.Files, ConfigFile) {
			t.Error("half a file was written")
		}
	}
}

// whole is a machine that was paired over its cables, crossed ones.
func whole(t *testing.T) Machine {
	t.Helper()
	m := on(t, "0000:00:0d.2", "0000:00:0d.3")
	if err := m.Begin(address); err != nil {
		t.Fatal(err)
	}
	b, err := pairing.Open(m.Host.Files, PairedFile)
	if err != nil {
		t.Fatal(err)
	}
	for i, node := range []string{"wittgenstein", "russell"} {
		other, err := pairing.Open(host.New(t.TempDir()).Files, PairedFile)
		if err != nil {
			t.Fatal(err)
		}
		err = b.Wait(pairing.Pending{Card: other.Card(node, netip.AddrFrom4([4]byte{10, 203, 4, 13 - byte(i)}), 65520), Port: []string{"en05", "en06"}[i], Code: "000000", At: time.Now()})
		if _, no := b.Confirm(b.Card("frege", address, 65520), "", "000000", time.Now()); errors.Join(err, no) != nil {
			t.Fatal(err, no)
		}
	}
	return m
}

// The floor leads where the pairing found the machines, and follows the keeper
// when it has found them elsewhere.
func TestTheFloorLeadsWhereTheCablesDo(t *testing.T) {
	m := whole(t)
	if err := m.Floor(t.Context()); err != nil {
		t.Fatal(err)
	}
	direct := func(node, port string) string {
		return "ip route replace " + node + "/32 dev " + port + " scope link"
	}
	const stanzas = "/etc/network/interfaces.d/ringboot-ring"
	if got := text(t, m, stanzas); !strings.Contains(got, direct("10.203.4.13", "en05")) || !strings.Contains(got, direct("10.203.4.12", "en06")) {
		t.Errorf("the floor is\n%s", got)
	}
	put(t, m, StateFile, `{"version": 1, "peers": {"en05": "russell", "en06": "wittgenstein"}}`, 0o600)
	if err := m.Floor(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := text(t, m, stanzas); !strings.Contains(got, direct("10.203.4.12", "en05")) {
		t.Errorf("after the cables were crossed the floor is\n%s", got)
	}
	for _, path := range []string{"/etc/udev/rules.d/90-ringboot-ring.rules", "/etc/systemd/network/00-ringboot-en05.link"} {
		if !host.Exists(m.Host.Files, path) {
			t.Errorf("there is no %s", path)
		}
	}
	if called := text(t, m, "/called"); !strings.Contains(called, "nft -f /etc/ringboot/ring.nft") || strings.Contains(called, "pve") {
		t.Errorf("called was\n%s", called)
	}
}

// Leave takes every file that the keeper wrote, and names each before.
func TestLeaveTakesWhatItNamed(t *testing.T) {
	m := whole(t)
	if err := m.Floor(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wrote []string
	err := filepath.WalkDir(filepath.Join(m.Root, "etc"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			wrote = append(wrote, strings.TrimPrefix(path, m.Root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := m.Left()
	if slices.Sort(named); !slices.Equal(named, wrote) {
		t.Errorf("named were %q, written %q", named, wrote)
	}
	if err := m.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := m.Left(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
	if called := text(t, m, "/called"); !strings.Contains(called, "nft delete table ip ringboot_ring") {
		t.Errorf("called was\n%s", called)
	}
	// Whoever comes back gets the names of the ports into the initramfs again.
	back := whole(t)
	for i := range 2 {
		if err := back.Floor(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(text(t, back, "/called"), "update-initramfs"); n != 1+2*i {
			t.Errorf("update-initramfs was called %d times", n)
		}
		config, paired := text(t, back, ConfigFile), text(t, back, PairedFile)
		if err := back.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, back, ConfigFile, config, 0o644)
		put(t, back, PairedFile, paired, 0o600)
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	m := on(t)
	for want, do := range map[string]func() error{
		"ringkeeper pair --ring ADDRESS writes it": func() error { return m.Keep(t.Context(), host.Notifier{}) },
		"systemctl start ringkeeper":               func() error { _, err := m.Ask(t.Context()); return err },
		"not paired yet":                           func() error { return m.Forget(t.Context(), "russell") },
	} {
		if err := do(); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	full := whole(t)
	if err := full.Forget(t.Context(), "russell"); err != nil {
		t.Fatal(err)
	}
	if err := full.Keep(t.Context(), host.Notifier{}); fault.Of(err) != fault.Precondition || !strings.Contains(err.Error(), "paired with 1") {
		t.Errorf("with one peer: %v", err)
	}
}

// The ring's sentences name a cluster's programs; each of the words that are put
// in their place still stands in one of them.
func TestTheRingsWordsAreThisKeepersOwn(t *testing.T) {
	all, err := os.ReadFile("../../docs/sentences.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(others); i += 2 {
		if !strings.Contains(string(all), others[i]) {
			t.Errorf("no sentence has %q any more", others[i])
		}
	}
	v := retell(status.RingView{Verdict: "start ringboot on russell", Ports: []status.RingPort{{Verdict: "en05 has MTU 9000 here and 1500 at russell: give all nodes the same profile"}}})
	if v.Verdict != "start ringkeeper on russell" || !strings.HasSuffix(v.Ports[0].Verdict, "write the same mtu on all machines") {
		t.Errorf("%+v", v)
	}
}
