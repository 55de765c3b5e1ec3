package matrix_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/drift"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/nodetest"
	"ringboot/rehearsal/qemu"
)

// networkTrial takes files of /etc/network/interfaces one after the other, has
// the real ifupdown2 put each in force, and prints what the kernel then has:
// neither counters, times nor the addresses that a kernel invents.
const networkTrial = `cd /trial
for port in enp87s0 enp90s0 enp2s0f0np0; do
  ip link add $port type dummy
done
ip link set lo up
mkdir -p /run/network /etc/network/interfaces.d
for file in *.interfaces; do
  echo "@@ $file"
  cp $file /etc/network/interfaces
  ifreload -a 2>&1
  echo "= status $?"
  for i in $(ls /sys/class/net | grep -v bonding_masters); do
    for what in mtu bridge/vlan_filtering bonding/mode bonding/primary bonding/slaves; do
      [ -r /sys/class/net/$i/$what ] && echo "= $i $what $(cat /sys/class/net/$i/$what)"
    done
    [ ! -e /sys/class/net/$i/master ] || echo "= $i master $(basename $(readlink /sys/class/net/$i/master))"
  done
  ip -o address show scope global | sed -E 's/^[0-9]+: (\S+) +(inet6?) (\S+) .*/= \1 \2 \3/' | sort
  bridge -compressvlans vlan show | tail -n +2 | tr -s ' \t' ' ' | sed 's/^ */= vlans /'
  ip -o route show | sed 's/ *linkdown//; s/ *$//; s/^/= route /' | sort
done
`

// ownersNetwork are acts of an owner that contradict nothing, together.
func ownersNetwork(t *testing.T, text string) string {
	t.Helper()
	for _, act := range nodeActs() {
		if act.file != "/etc/network/interfaces" || act.told != "" || !strings.Contains(text, act.from) {
			continue
		}
		text = strings.Replace(text, act.from, act.to, 1)
	}
	return text
}

// TestDayTwoOnTheRealNetwork has Debian's ifupdown2, on a kernel of its own with
// bonds and VLANs, put in force what the steps wrote and what an owner made of
// it: on a settled node, and on a machine that somebody had set up by hand
// before it was formed.
func TestDayTwoOnTheRealNetwork(t *testing.T) {
	need.Slow(t)
	const file = "/etc/network/interfaces"
	settled, steps := nodeBench(t)
	made := read(t, settled, file)
	owners := ownersNetwork(t, made)
	rewrite(t, settled, file, owners)
	if found, blind := drift.Look(t.Context(), steps, nil, settled.Clock.Now()); len(found)+len(blind) > 0 {
		t.Errorf("told is %s %q", texts(found), blind)
	}
	formSteps(t, settled, steps)
	again := read(t, settled, file)
	if again != owners {
		t.Errorf("a pass rewrote the owner's network:\n%s", again)
	}
	byHand, handSteps := nodeInstalled(t)
	installed := read(t, byHand, file)
	hands := ownersNetwork(t, installed)
	rewrite(t, byHand, file, hands)
	formSteps(t, byHand, handSteps)
	formed := read(t, byHand, file)
	if formed == hands {
		t.Error("forming wrote no bond")
	}
	texts := []string{made, owners, again, hands, formed, formed, hands}
	files := map[string]string{"run": networkTrial}
	for i, text := range texts {
		files[fmt.Sprintf("%02d.interfaces", i)] = text
	}
	seen := tryNetwork(t, files, len(texts))
	settledNet, ownersNet, handsNet, formedNet := seen[0], seen[1], seen[3], seen[4]
	for _, want := range []string{"bond0 bonding/mode active-backup 1", "bond0 master vmbr0", "enp87s0 master bond0", "enp90s0 master bond0", "vmbr0 inet 10.203.3.11/24", "route default via 10.203.3.1 dev vmbr0"} {
		if !strings.Contains(settledNet, "= "+want) {
			t.Errorf("the network of the steps has no %q:\n%s", want, settledNet)
		}
	}
	kept := []string{"vmbr0 bridge/vlan_filtering 1", "vmbr0 inet6 2001:db8::11/64", "vmbr0 inet 10.203.3.99/24", "vmbr0 mtu 9000", "vlans 2-4094", "vmbr1 bridge/vlan_filtering 0", "route 198.51.100.0/24 via 10.203.3.254 dev vmbr0"}
	for name, net := range map[string]string{"the owner's": ownersNet, "the one set up by hand": handsNet, "the one formed over it": formedNet} {
		for _, want := range kept {
			if !strings.Contains(net, "= "+want) {
				t.Errorf("%s has no %q:\n%s", name, want, net)
			}
		}
	}
	if seen[2] != ownersNet {
		t.Errorf("the same file put in force again changed the network:\n%s\n%s", ownersNet, seen[2])
	}
	if seen[5] != formedNet {
		t.Errorf("what forming wrote, put in force again, changed the network:\n%s\n%s", formedNet, seen[5])
	}
	if !strings.Contains(formedNet, "= bond0 master vmbr0") || !strings.Contains(formedNet, "= enp90s0 master bond0") {
		t.Errorf("forming made no bond:\n%s", formedNet)
	}
	if seen[6] != handsNet {
		t.Errorf("rolled back, the network is another one:\n%s\n%s", handsNet, seen[6])
	}
	need.Figure("daytwo.real_network_reloads", len(texts), "reloads")
}

// tryNetwork runs the trial in a machine and returns the kernel's network after
// each file.
func tryNetwork(t *testing.T, files map[string]string, steps int) []string {
	t.Helper()
	text := try(t, files)
	parts := regexp.MustCompile(`(?m)^@@ .*$`).Split(text, -1)[1:]
	if len(parts) != steps {
		t.Fatalf("%d files were put in force, not %d:\n%s", len(parts), steps, text)
	}
	var out []string
	for i, part := range parts {
		var lines []string
		for line := range strings.Lines(part) {
			if strings.HasPrefix(line, "= ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		if len(lines) == 0 || lines[0] != "= status 0" {
			t.Errorf("ifreload took file %d with an error:\n%s", i, part)
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	return out
}

// try runs a trial in a machine with two network cards and returns what it printed.
func try(t *testing.T, files map[string]string) string {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "qemu-system-x86_64:qemu-system-x86", "debootstrap", "mksquashfs:squashfs-tools")
	dir, err := os.MkdirTemp("", "trial") // short, for its socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	trial, err := base.NewTrial(t.Context(), dir, files)
	if err != nil {
		t.Fatal(err)
	}
	var cards []qemu.NIC
	for i := range 2 { // at the end of no cable
		id := fmt.Sprint("card", i)
		cards = append(cards, qemu.NIC{ID: id, MAC: fmt.Sprint("52:54:00:00:00:0", i), Local: filepath.Join(dir, id), Remote: filepath.Join(dir, "none")})
	}
	vm, err := qemu.Start(t.Context(), qemu.Machine{Name: "trial", Firmware: qemu.BIOS, NoReboot: true, Kernel: trial.Kernel, Initrd: trial.Initrd, NICs: cards,
		Append: "console=ttyS0 quiet no_timer_check", Disks: []qemu.Drive{{Path: trial.Root, Bus: "virtio", Serial: "ROOT"}}}, filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Cut)
	select {
	case <-vm.Done():
	case <-time.After(qemu.TCG.Patience(5 * time.Minute)):
		t.Fatalf("the trial does not end:\n%s", vm.Console.Tail(40))
	}
	text := strings.ReplaceAll(vm.Console.Text(), "\r", "")
	if !strings.Contains(text, "trial: ended with 0") {
		t.Fatalf("the trial broke off:\n%s", vm.Console.Tail(60))
	}
	return text
}

func read(t *testing.T, m *nodetest.Machine, path string) string {
	t.Helper()
	text, err := m.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func rewrite(t *testing.T, m *nodetest.Machine, path, text string) {
	t.Helper()
	if err := m.WriteDirect(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}
