package rehearsal

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
)

func TestAdaptCablesARingAndNamesEveryDisk(t *testing.T) {
	p := profiles.Default()
	p.Nodes[1].RootDisk = profiles.Disk{Serial: "S649NX0R123456"}
	plan, err := Adapt(p, true)
	if err != nil {
		t.Fatal(err)
	}
	if p.Ring.Transport != profiles.TransportThunderbolt || p.Nodes[0].RootDisk.Kernel == "" {
		t.Error("the profile itself was changed")
	}
	q := plan.Profile
	if q.Ring.Transport != profiles.TransportEthernet || q.Nodes[1].RootDisk.Serial != "S649NX0R123456" || q.Nodes[0].RootDisk.Serial != "RBSYS-FREGE" {
		t.Errorf("the profile of the rehearsal has ring %s, disks %+v and %+v", q.Ring.Transport, q.Nodes[0].RootDisk, q.Nodes[1].RootDisk)
	}
	if q.Management.DNS[0] != netip.MustParseAddr("10.203.3.1") {
		t.Errorf("name server %s", q.Management.DNS)
	}
	macs := map[string]bool{}
	cards := map[string]NIC{}
	for _, m := range plan.Machines {
		for _, n := range m.NICs {
			if macs[n.MAC] {
				t.Errorf("two cards have the address %s", n.MAC)
			}
			macs[n.MAC] = true
			cards[m.Node+"."+n.ID] = n
		}
	}
	for name, n := range cards {
		if !n.Ring {
			continue
		}
		node, id, _ := strings.Cut(name, ".")
		if back := cards[n.Peer+"."+n.To]; back.Peer != node || back.To != id {
			t.Errorf("the cable from %s leads to %s.%s, and from there to %s.%s", name, n.Peer, n.To, back.Peer, back.To)
		}
	}
	if all := strings.Join(plan.Differences(true), "\n"); !strings.Contains(all, "there is no model of Thunderbolt") || !strings.Contains(all, "nothing about Proxmox VE itself") {
		t.Errorf("the differences are\n%s", all)
	}
}

func TestChangedBytesAreCounted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64*markSize); err != nil {
		t.Fatal(err)
	}
	if n, err := changed(path, "S1", false); n != 0 || err != nil {
		t.Errorf("a blank disk has %d bytes written, %v", n, err)
	}
	if err := mark(path, "S1"); err != nil {
		t.Fatal(err)
	}
	if n, err := changed(path, "S1", true); n != 0 || err != nil {
		t.Errorf("a marked disk has %d bytes changed, %v", n, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, at := range []int64{0, 5*markSize + 17, 63*markSize + 3} {
		b := make([]byte, 1)
		if _, err := file.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{b[0] ^ 0xff}, at); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := changed(path, "S1", true); n != 3 || err != nil {
		t.Errorf("three bytes were changed, %d were counted, %v", n, err)
	}
}

func TestWatchReadsTheConsole(t *testing.T) {
	w := newWatch([]string{"frege"}, nil)
	for _, line := range []string{
		"medium: found /dev/sdc",
		"installer:   10.8 erasing /dev/sda serial ROOT1",
		"[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=UUID=07fb ro console=ttyS0",
		"[   40.1] firstboot[392]: step 4 of 11, ring: no cable between frege and russell: plug it in",
	} {
		w.line("frege", line)
	}
	v := w.all()[0]
	if v.Installs != 1 || v.Starts != 1 || v.Stage != "ring" || v.Step != 4 || v.Steps != 11 || v.Waiting != "no cable between frege and russell: plug it in" {
		t.Errorf("seen as %+v", v)
	}
	if v.Past("ring") || !v.Past("management") {
		t.Error("the ring is under way, and management is done")
	}
	w.line("frege", "[   90.0] firstboot[392]: all 11 steps are done")
	if v := w.all()[0]; !v.Past("report") {
		t.Errorf("a node that is done is seen as %+v", v)
	}
	w.line("frege", "installer:    0.9 installation failed: look at the devices: no disks match filter map[A:B]")
	if got := w.failure["frege"]; got != "installation failed: look at the devices: no disks match filter map[A:B]" {
		t.Errorf("the failure is %q", got)
	}
}

func TestTimeline(t *testing.T) {
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	got := timeline(map[string]map[string]time.Duration{
		"a": {StageBoot: 0, StageInstall: s(10), StageStart: s(60), "identity": s(90), "ring": s(95)},
		"b": {StageBoot: 0, StageInstall: s(15), StageStart: s(70), "identity": s(85), "ring": s(99)},
	})
	want := []StageTime{{StageBoot, s(15), s(15)}, {StageInstall, s(55), s(70)}, {StageStart, s(20), s(90)}, {"identity", s(9), s(99)}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
