package installer

import (
	"slices"
	"strings"
	"testing"
)

const good = `[global]
keyboard = "de"
country = "de"
timezone = "Europe/Berlin"
mailto = "root@example.org"
fqdn = "frege.example.org"
root-password-hashed = "$y$x"
root-ssh-keys = ["ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"]
reboot-mode = "power-off"

[network]
source = "from-answer"
cidr = "10.203.3.11/24"
gateway = "10.203.3.1"
dns = "10.203.3.1"
filter.ID_NET_NAME_MAC = "enx5254*"

[disk-setup]
filesystem = "ext4"
filter.ID_SERIAL_SHORT = "ROOT1"
lvm.maxvz = 0
`

func TestParseAnswer(t *testing.T) {
	a, err := ParseAnswer([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if a.FQDN != "frege.example.org" || !a.PowerOff || len(a.Keys) != 2 || a.Address.String() != "10.203.3.11/24" || a.DiskFilter["ID_SERIAL_SHORT"] != "ROOT1" {
		t.Errorf("read as %+v", a)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown table", "[disk-setup]", "[disks]", "unknown field `disks`"},
		{"unknown key", `country = "de"`, "country = \"de\"\nringboot = true", "unknown field `ringboot` in [global]"},
		{"key and its alias", `reboot-mode = "power-off"`, "reboot-mode = \"power-off\"\nreboot_mode = \"reboot\"", "duplicate field `reboot-mode` in [global]"},
		{"wrong type", `mailto = "root@example.org"`, "mailto = 1", "invalid type of `mailto` in [global]"},
		{"no password", `root-password-hashed = "$y$x"`, "", "exactly one of `root-password` and `root-password-hashed` is needed"},
		{"keyboard", `keyboard = "de"`, `keyboard = "us"`, "unknown variant `us` of `keyboard`"},
		{"host name", "frege.example.org", "frege", "`fqdn` \"frege\" is no full host name"},
		{"no source", `source = "from-answer"`, "", "missing field `source` in [network]"},
		{"filter with a lease", `source = "from-answer"`, `source = "from-dhcp"`, "is not allowed with `from-dhcp`"},
		{"other file system's options", "lvm.maxvz = 0", "zfs.raid = \"raid1\"", "make sure only 'lvm' options are set"},
		{"disk twice", `filesystem = "ext4"`, "filesystem = \"ext4\"\ndisk-list = [\"sda\"]", "exactly one of `disk-list` and `filter` is needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("the good answer has no %q", c.old)
			}
			_, err := ParseAnswer([]byte(strings.Replace(good, c.old, c.new, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestMode(t *testing.T) {
	if mode, err := ParseMode([]byte(`mode = "iso"`)); mode != "iso" || err != nil {
		t.Errorf("got %q, %v", mode, err)
	}
	for _, text := range []string{"mode = \"iso\"\nlabel = \"x\"", `mode = "usb"`, ``} {
		if _, err := ParseMode([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// export is what udevadm prints of a machine with three disks, a stick with
// the medium and two network cards.
const export = `P: /devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=/dev/sda
E: ID_SERIAL_SHORT=OTHER

P: /devices/sdb
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=/dev/sdb
E: ID_SERIAL_SHORT=ROOT1
E: ID_MODEL=QEMU HARDDISK

P: /devices/sdb1
E: SUBSYSTEM=block
E: DEVTYPE=partition
E: DEVNAME=/dev/sdb1
E: ID_SERIAL_SHORT=ROOT1

P: /devices/sdc
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=/dev/sdc
E: ID_FS_TYPE=iso9660
E: ID_SERIAL_SHORT=STICK

P: /devices/sr0
E: SUBSYSTEM=block
E: DEVTYPE=disk
E: DEVNAME=/dev/sr0
E: ID_CDROM=1

P: /devices/pci0000:00/0000:00:03.0/net/enp0s3
E: SUBSYSTEM=net
E: INTERFACE=enp0s3
E: DEVPATH=/devices/pci0000:00/0000:00:03.0/net/enp0s3
E: ID_NET_NAME_MAC=enx525400000102

P: /devices/virtual/net/lo
E: SUBSYSTEM=net
E: INTERFACE=lo
E: DEVPATH=/devices/virtual/net/lo
`

func names(devices []Device) []string {
	var out []string
	for _, d := range devices {
		out = append(out, d.Name)
	}
	return out
}

func TestDevices(t *testing.T) {
	all := parseUdev(export)
	if got := names(disks(all)); !slices.Equal(got, []string{"/dev/sda", "/dev/sdb"}) {
		t.Errorf("disks are %v", got)
	}
	if got := names(nics(all)); !slices.Equal(got, []string{"enp0s3"}) {
		t.Errorf("network cards are %v", got)
	}
	if got := hardwareAddress(nics(all)[0]); got != "52:54:00:00:01:02" {
		t.Errorf("the hardware address is %s", got)
	}
}

func TestSystemDiskIsChosenAsDangerouslyAsByTheRealOne(t *testing.T) {
	all := disks(parseUdev(export))
	for _, c := range []struct {
		name string
		a    Answer
		want string
	}{
		{"an exact serial", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT1"}}, "/dev/sdb"},
		{"a glob takes the first", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "*"}}, "/dev/sda"},
		{"a second property widens", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT1", "DEVNAME": "/dev/sda"}}, "/dev/sda"},
		{"all is any", Answer{DiskFilterSecond: "all", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "OTHER", "ID_MODEL": "QEMU*"}}, "/dev/sda"},
		{"a name is a suffix", Answer{DiskList: []string{"b"}}, "/dev/sdb"},
	} {
		c.a.Filesystem = "ext4"
		d, err := systemDisk(all, c.a)
		if err != nil || d.Name != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, d.Name, err, c.want)
		}
	}
	_, err := systemDisk(all, Answer{Filesystem: "ext4", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT2"}})
	if err == nil || !strings.Contains(err.Error(), "no disks match filter") {
		t.Errorf("a serial that is not there gives %v", err)
	}
}

func TestDevicesAreWalkedInTheOrderOfText(t *testing.T) {
	var many []map[string]string
	for _, letter := range "abcdefghijkl" {
		many = append(many, map[string]string{"SUBSYSTEM": "block", "DEVTYPE": "disk", "DEVNAME": "/dev/sd" + string(letter)})
	}
	got := names(disks(many))
	want := []string{"/dev/sda", "/dev/sdb", "/dev/sdk", "/dev/sdl", "/dev/sdc"}
	if !slices.Equal(got[:5], want) {
		t.Errorf("the order is %v, want %v first", got, want)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"S64*", "S649NX", true}, {"S64", "S649NX", false}, {"a?c", "abc", true}, {"[*]", "*", true}, {"[*]", "x", false},
		{"[[]x", "[x", true}, {"[!a]", "b", true}, {"[!a]", "a", false}, {"*", "a/b", true}, {"[a", "a", false}, {"a.c", "abc", false},
	} {
		if got := globMatches(c.pattern, c.text); got != c.want {
			t.Errorf("%q on %q is %t", c.pattern, c.text, got)
		}
	}
}

func TestPoolOrder(t *testing.T) {
	pool := []string{"zlib1g_1_amd64.deb", "Abc_1_all.deb", "adduser_3_all.deb", "grub-pc_2_amd64.deb", "grub-efi-amd64_2_amd64.deb",
		"grub-efi-arm64_2_arm64.deb", "proxmox-grub_1_amd64.deb", "proxmox-first-boot_9.2.7_amd64.deb", "ringboot_1_amd64.deb",
		"ringboot-seed_a_all.deb", "intel-microcode_1_amd64.deb", "amd64-microcode_1_amd64.deb", "Packages.gz", "proxmox-secure-boot-support_1_all.deb"}
	bios := poolOrder(pool, platform{intel: true})
	if want := []string{"Abc_1_all.deb", "adduser_3_all.deb", "grub-pc_2_amd64.deb", "intel-microcode_1_amd64.deb",
		"ringboot-seed_a_all.deb", "ringboot_1_amd64.deb", "zlib1g_1_amd64.deb"}; !slices.Equal(bios, want) {
		t.Errorf("BIOS: %v", bios)
	}
	efi := poolOrder(pool, platform{efi: true, amd: true, secureBoot: true, firstBoot: true})
	for _, name := range []string{"grub-efi-amd64_2_amd64.deb", "proxmox-grub_1_amd64.deb", "proxmox-first-boot_9.2.7_amd64.deb", "amd64-microcode_1_amd64.deb", "proxmox-secure-boot-support_1_all.deb"} {
		if !slices.Contains(efi, name) {
			t.Errorf("UEFI leaves %s out", name)
		}
	}
	if slices.Contains(efi, "grub-pc_2_amd64.deb") || slices.Contains(efi, "grub-efi-arm64_2_arm64.deb") {
		t.Errorf("UEFI takes the wrong boot loader: %v", efi)
	}
}

func TestKeptWords(t *testing.T) {
	got := keptWords("BOOT_IMAGE=/boot/linux26 ro ramdisk_size=16777216 rw quiet splash=silent proxmox-start-auto-installer console=ttyS0,115200 maxvz=0 nomodeset")
	if got != "console=ttyS0,115200 nomodeset" {
		t.Errorf("kept %q", got)
	}
}

func TestNetworkFiles(t *testing.T) {
	a, err := ParseAnswer([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	all := nics(parseUdev(export))
	files := networkFiles(a, "enp0s3", all)
	if want := "127.0.0.1 localhost.localdomain localhost\n10.203.3.11 frege.example.org frege\n"; !strings.HasPrefix(files["etc/hosts"], want) {
		t.Errorf("hosts are\n%s", files["etc/hosts"])
	}
	for _, want := range []string{"iface enp0s3 inet manual\n", "\taddress 10.203.3.11/24\n\tgateway 10.203.3.1\n\tbridge-ports enp0s3\n", "source /etc/network/interfaces.d/*\n"} {
		if !strings.Contains(files["etc/network/interfaces"], want) {
			t.Errorf("interfaces lack %q:\n%s", want, files["etc/network/interfaces"])
		}
	}
	a.Names = map[string]string{"52:54:00:00:01:02": "mgmt0"}
	files = networkFiles(a, "enp0s3", all)
	if link := files["usr/local/lib/systemd/network/50-pmx-mgmt0.link"]; !strings.Contains(link, "MACAddress=52:54:00:00:01:02\nType=ether\n\n[Link]\nName=mgmt0\n") {
		t.Errorf("the link file is %q", link)
	}
	if !strings.Contains(files["etc/network/interfaces"], "bridge-ports mgmt0\n") {
		t.Errorf("the pinned name is not used:\n%s", files["etc/network/interfaces"])
	}
}
