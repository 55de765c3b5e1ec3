package inventory_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
)

// plant makes the tree that a file describes: "path = text" and "path -> link".
func plant(t *testing.T, name string) host.Host {
	t.Helper()
	root := t.TempDir()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		path, content, isFile := strings.Cut(line, " = ")
		if isFile {
			path = filepath.Join(root, path)
			err = os.MkdirAll(filepath.Dir(path), 0o755)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.ReplaceAll(content, `\n`, "\n")+"\n"), 0o644)
			}
		} else {
			from, target, _ := strings.Cut(line, " -> ")
			from = filepath.Join(root, from)
			err = os.MkdirAll(filepath.Dir(from), 0o755)
			if err == nil {
				err = os.Symlink(target, from)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return host.New(root)
}

// smartctl answers for one disk; its exit status is full of warnings.
type smartctl map[string]string

func (s smartctl) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	return host.Result{Stdout: []byte(s[cmd.Argv[len(cmd.Argv)-1]]), Code: 4}, nil
}

func TestAnMS01(t *testing.T) {
	h := plant(t, "testdata/ms01.tree")
	h.Commands = smartctl{"/dev/nvme0n1": `{"nvme_smart_health_information_log":{"percentage_used":7}}`, "/dev/nvme1n1": `{"smartctl":{}}`}
	inv := inventory.Read(t.Context(), h)
	if inv.Machine.Product != "Venus Series" || inv.Machine.BIOSVersion != "1.27" || inv.Machine.Firmware != "uefi" {
		t.Errorf("machine %+v", inv.Machine)
	}
	if inv.CPU.Performance != 12 || inv.CPU.Efficient != 8 || inv.CPU.Threads != 2 || inv.MemoryMiB != 96229 {
		t.Errorf("processor %+v, %d MiB", inv.CPU, inv.MemoryMiB)
	}
	if len(inv.Disks) != 2 {
		t.Fatalf("disks %+v", inv.Disks)
	}
	root, blank := inv.Disks[0], inv.Disks[1]
	if !root.Root || root.Serial != "50026B7382ABCDEF" || root.Bytes != 512110190592 || root.Transport != "nvme" ||
		!slices.Equal(root.ByID, []string{"nvme-KINGSTON_OM8_50026B7382ABCDEF"}) || root.Link != "16.0 GT/s PCIe x4" || root.PowerLoss != "not claimed" {
		t.Errorf("root disk %+v", root)
	}
	wantUse := []string{"LVM2_member", "ext4", "mapped as pve-root", "mounted on /", "mounted on /boot/efi", "partition table gpt", "vfat"}
	if !slices.Equal(root.UsedBy, wantUse) {
		t.Errorf("used by %q, want %q", root.UsedBy, wantUse)
	}
	if root.Wear == nil || *root.Wear != 7 || blank.Wear != nil {
		t.Errorf("wear %v and %v", root.Wear, blank.Wear)
	}
	if blank.Root || len(blank.UsedBy) != 0 || blank.PowerLoss != "yes" || blank.Properties["ID_SERIAL_SHORT"] != "S64GNE0T" || blank.Properties["DEVNAME"] != "/dev/nvme1n1" {
		t.Errorf("blank disk %+v", blank)
	}
	if len(inv.NICs) != 1 {
		t.Fatalf("ports %+v", inv.NICs)
	}
	n := inv.NICs[0]
	if n.MAC != "58:47:ca:00:00:01" || n.Driver != "igc" || n.PCI != "0000:57:00.0" || n.Device != "8086:125c" || n.SpeedMbit != 2500 || !n.Carrier ||
		n.Properties["ID_NET_NAME_MAC"] != "enx5847ca000001" || n.Properties["INTERFACE"] != "enp87s0" {
		t.Errorf("port %+v", n)
	}
	if len(inv.Thunderbolt) != 2 {
		t.Fatalf("thunderbolt %+v", inv.Thunderbolt)
	}
	tb := inv.Thunderbolt[0]
	if tb.PCI != "0000:00:0d.2" || tb.Generation != "USB4 (Thunderbolt 4)" || !tb.IOMMU || tb.Router != "INTEL Gen14" || len(tb.Peers) != 1 || len(inv.Thunderbolt[1].Peers) != 0 {
		t.Errorf("thunderbolt %+v", inv.Thunderbolt)
	}
	if p := tb.Peers[0]; p.Port != "0-1" || p.Device != "russell" || p.RxLanes != 2 || p.RxSpeed != "20.0 Gb/s" || p.Interface != "en05" {
		t.Errorf("peer %+v", p)
	}
	if got := inventory.RootDisks(h.Files); len(got) != 1 || got[0].Path != "/dev/nvme0n1" {
		t.Errorf("root disks %+v", got)
	}
}

func TestAMachineThatTellsNothingIsAnEmptyInventory(t *testing.T) {
	inv := inventory.Read(t.Context(), host.New(t.TempDir()))
	text, err := json.Marshal(inv)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"version":1`, `"disks":[]`, `"nics":[]`, `"thunderbolt":[]`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestRootOnZFSIsFound(t *testing.T) {
	h := plant(t, "testdata/zfs.tree")
	got := inventory.RootDisks(h.Files)
	if len(got) != 2 || got[0].Serial != "Z0" || got[1].Serial != "Z1" {
		t.Errorf("root disks %+v", got)
	}
}

func TestRootOnBtrfsIsFoundOnAllItsDisks(t *testing.T) {
	h := plant(t, "testdata/btrfs.tree")
	got := inventory.RootDisks(h.Files)
	if len(got) != 2 || got[0].Serial != "B0" || got[1].Serial != "B1" {
		t.Errorf("root disks %+v", got)
	}
}

// Before the installer no driver knows of a USB4 controller; its place is seen
// all the same, and once.
func TestControllersWithoutADriver(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "a.tree")
	text := "/sys/bus/pci/devices/0000:00:0d.2/class = 0x0c0340\n/sys/bus/pci/devices/0000:00:0d.3/class = 0x0c0340\n/sys/bus/pci/devices/0000:00:14.0/class = 0x0c0330\n" +
		"/sys/bus/thunderbolt/devices/domain0 -> ../../../devices/pci0000:00/0000:00:0d.2/domain0\n/sys/devices/pci0000:00/0000:00:0d.2/domain0/security = none\n"
	if err := os.WriteFile(tree, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := inventory.Read(t.Context(), plant(t, tree)).Thunderbolt
	if len(got) != 2 || got[0].PCI != "0000:00:0d.2" || got[0].Domain != "domain0" || got[1].PCI != "0000:00:0d.3" || got[1].Domain != "" {
		t.Errorf("%+v", got)
	}
}
