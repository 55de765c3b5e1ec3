package imagebuilder_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
)

// twins has two disks behind bridges of one serial, and two ports of one driver.
const twins = `{"disks": {
 "nvme0n1": {"DEVNAME": "/dev/nvme0n1", "ID_SERIAL": "Samsung_990_S1_1", "ID_SERIAL_SHORT": "S1", "ID_WWN": "eui.1"},
 "nvme1n1": {"DEVNAME": "/dev/nvme1n1", "ID_SERIAL": "Samsung_990_S2_1", "ID_SERIAL_SHORT": "S2", "ID_WWN": "eui.2"},
 "sda": {"DEVNAME": "/dev/sda", "ID_SERIAL": "JMicron_0123456789ABCDEF-0:0", "ID_USB_SERIAL": "JMicron_0123456789ABCDEF-0:0", "ID_SERIAL_SHORT": "0123456789ABCDEF"},
 "sdb": {"DEVNAME": "/dev/sdb", "ID_SERIAL": "JMicron_0123456789ABCDEF-0:1", "ID_USB_SERIAL": "JMicron_0123456789ABCDEF-0:1", "ID_SERIAL_SHORT": "0123456789ABCDEF"}},
"nics": {"enp87s0": {"INTERFACE": "enp87s0", "ID_NET_NAME_MAC": "enx5847ca000001", "ID_NET_DRIVER": "igc"},
 "enp88s0": {"INTERFACE": "enp88s0", "ID_NET_NAME_MAC": "enx5847ca000002", "ID_NET_DRIVER": "igc"}}}`

func TestProve(t *testing.T) {
	machine, err := answer.ParseInventory([]byte(twins))
	if err != nil {
		t.Fatal(err)
	}
	for _, fs := range []string{"ext4", "zfs"} {
		for _, c := range []struct {
			root profiles.DiskName
			osd  profiles.DiskName
			port profiles.Port
			want string
		}{
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S2"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "{/dev/nvme0n1 [/dev/nvme1n1] enp87s0}"},
			{profiles.DiskName{ByID: "nvme-Samsung_990_S1"}, profiles.DiskName{ByID: "nvme-Samsung_990_S2_1"}, profiles.Port{MAC: "58:47:ca:00:00:02"}, "{/dev/nvme0n1 [/dev/nvme1n1] enp88s0}"},
			{profiles.DiskName{ByID: "nvme-Samsung_990_S1_1"}, profiles.DiskName{ByID: "nvme-Samsung_990_S2"}, profiles.Port{MAC: "58:47:ca:00:00:02"}, "{/dev/nvme0n1 [/dev/nvme1n1] enp88s0}"},
			{profiles.DiskName{ByID: "nvme-eui.1"}, profiles.DiskName{ByID: "nvme-eui.2"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "{/dev/nvme0n1 [/dev/nvme1n1] enp87s0}"},
			{profiles.DiskName{ByID: "usb-JMicron_0123456789ABCDEF-0:1"}, profiles.DiskName{Serial: "S2"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "{/dev/sdb [/dev/nvme1n1] enp87s0}"},
			{profiles.DiskName{Serial: "0123456789ABCDEF"}, profiles.DiskName{Serial: "S2"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "the inventory does not bear out the profile of frege: fits 2 disks"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "0123456789ABCDEF"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "osd_disks[0], disk with serial 0123456789ABCDEF, fits 2 disks (/dev/sda, /dev/sdb) of this machine; name one by by_id"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S9"}, profiles.Port{MAC: "58:47:ca:00:00:01"}, "osd_disks[0], disk with serial S9, fits no disk of this machine"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S2"}, profiles.Port{Driver: "igc"}, "fits 2 ports of this machine"},
		} {
			p := profiles.Default()
			p.Install.Filesystem = fs
			p.Nodes[0].RootDisk, p.Nodes[0].OSDDisks, p.Nodes[0].Ports = c.root, []profiles.DiskName{c.osd}, []profiles.Port{c.port}
			proof, err := imagebuilder.Prove(p, "frege", machine)
			got := fmt.Sprint(proof)
			if err != nil {
				got = err.Error()
				if !errors.Is(err, imagebuilder.ErrUnproven) {
					t.Errorf("%s: %v is no refusal", fs, err)
				}
			}
			if err == nil && got != c.want || !strings.Contains(got, c.want) {
				t.Errorf("%s, %+v: got %s, want %s", fs, c.root, got, c.want)
			}
		}
	}
	machine.NICs = nil
	p := profiles.Default()
	p.Nodes[0].RootDisk = profiles.DiskName{Serial: "S1"}
	if proof, err := imagebuilder.Prove(p, "frege", machine); err != nil || proof.Port != "" || proof.Erases != "/dev/nvme0n1" {
		t.Errorf("an inventory without ports: %+v %v", proof, err)
	}
}

// Both disks of a mirror are held against the inventory, each by its own name.
func TestProveAMirror(t *testing.T) {
	machine, err := answer.ParseInventory([]byte(twins))
	if err != nil {
		t.Fatal(err)
	}
	for _, fs := range []string{"zfs (raid1)", "btrfs (raid1)"} {
		for _, c := range []struct {
			root, mirror profiles.DiskName
			want         string
		}{
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S2"}, "{/dev/nvme0n1 and /dev/nvme1n1 [] enp87s0}"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{ByID: "nvme-eui.2"}, "{/dev/nvme0n1 and /dev/nvme1n1 [] enp87s0}"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "0123456789ABCDEF"}, "mirror_disk, disk with serial 0123456789ABCDEF, fits 2 disks (/dev/sda, /dev/sdb) of this machine"},
			{profiles.DiskName{Serial: "S9"}, profiles.DiskName{Serial: "S2"}, "root_disk, disk with serial S9, fits no disk of this machine"},
			{profiles.DiskName{Serial: "S1"}, profiles.DiskName{ByID: "nvme-eui.1"}, `"nvme0n1" stands here twice`},
		} {
			p := profiles.Default()
			p.Install.Filesystem = fs
			n := &p.Nodes[0]
			n.RootDisk, n.MirrorDisk, n.Ports = c.root, c.mirror, []profiles.Port{{MAC: "58:47:ca:00:00:01"}}
			proof, err := imagebuilder.Prove(p, "frege", machine)
			got := fmt.Sprint(proof)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("%s, %+v and %+v: got %s, want %s", fs, c.root, c.mirror, got, c.want)
			}
		}
	}
	n := profiles.Node{RootDisk: profiles.DiskName{Serial: "S1"}, MirrorDisk: profiles.DiskName{Kernel: "sdb"}}
	if got := imagebuilder.ErasesAll(n); got != "disk with serial S1 and disk sdb" {
		t.Errorf("erases %s", got)
	}
}
