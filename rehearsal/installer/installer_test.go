package installer

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
)

// world is what a small installer knows of the world.
var world = Locales{Countries: map[string]bool{"de": true}, Zones: map[string]bool{"UTC": true, "Europe/Berlin": true}}

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
	a, err := ParseAnswer([]byte(good), world)
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
		{"a country that is none", `country = "de"`, `country = "uk"`, "country code 'uk' is not valid"},
		{"a country in capitals", `country = "de"`, `country = "DE"`, "country code 'DE' is not valid"},
		{"a zone that is a link", "Europe/Berlin", "US/Eastern", "timezone 'US/Eastern' is not valid"},
		{"an address without a host", "root@example.org", "root", "`mailto` \"root\" is no e-mail address"},
		{"an address of other letters", "root@example.org", "jörg@example.org", "is no e-mail address"},
		{"the address of the form", "root@example.org", "mail@example.invalid", "is no e-mail address"},
		{"swap larger than half the disk", "lvm.maxvz = 0", "lvm.hdsize = 10\nlvm.swapsize = 5.5", "`swapsize` 5.5 GiB is more than half of `hdsize` 10 GiB"},
		{"a mirror of one", "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"ROOT1\"\nlvm.maxvz = 0", "filesystem = \"btrfs\"\ndisk-list = [\"sda\"]\nbtrfs.raid = \"raid1\"", "btrfs (raid1) needs at least 2 disks"},
		{"a disk twice in a list", "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"ROOT1\"\nlvm.maxvz = 0", "filesystem = \"btrfs\"\ndisk-list = [\"sda\", \"sda\"]\nbtrfs.raid = \"RAID1\"", "`disk-list` names a disk twice"},
		{"a fraction where a whole number belongs", "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"ROOT1\"\nlvm.maxvz = 0", "filesystem = \"zfs\"\ndisk-list = [\"sda\"]\nzfs.raid = \"raid0\"\nzfs.ashift = 12.0", "invalid type of `ashift`"},
		{"a name that no card can have", "[disk-setup]", "[network.interface-name-pinning]\nenabled = true\nmapping.\"52:54:00:00:00:01\" = \"0lan\"\n\n[disk-setup]", `interface name "0lan"`},
		{"disk twice", `filesystem = "ext4"`, "filesystem = \"ext4\"\ndisk-list = [\"sda\"]", "exactly one of `disk-list` and `filter` is needed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("the good answer has no %q", c.old)
			}
			_, err := ParseAnswer([]byte(strings.Replace(good, c.old, c.new, 1)), world)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A file system that a profile can name is one that the practice installer takes.
func TestEveryFileSystemIsTaken(t *testing.T) {
	const was = "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"ROOT1\"\nlvm.maxvz = 0"
	if !strings.Contains(good, was) {
		t.Fatal("the good answer has another file system")
	}
	for _, l := range profiles.Layouts() {
		disk := "filesystem = \"" + l.FileSystem.Name + "\"\ndisk-list = [\"sda\", \"sdb\"]\n" + l.Options + ".raid = \"" + l.Level.Name + "\""
		if l.Single {
			disk = "filesystem = \"" + l.FileSystem.Name + "\"\ndisk-list = [\"sda\"]\n" + l.Options + ".hdsize = 16"
		}
		a, err := ParseAnswer([]byte(strings.Replace(good, was, disk, 1)), world)
		if err != nil {
			t.Errorf("%s: %v: say in rules.go what its installer does with it", l.Name, err)
			continue
		}
		if a.Filesystem != l.FileSystem.Name || a.Raid != l.Level.Name {
			t.Errorf("%s is taken as %s %s", l.Name, a.Filesystem, a.Raid)
		}
		if made := onVolume[l.FileSystem.Name]; l.Single && (len(made.mkfs) == 0 || made.mount == "" || made.fstab == "") {
			t.Errorf("%s is taken and never made: say in disk.go how it is", l.Name)
		}
		if !l.Single && l.FileSystem.Name != "btrfs" && l.FileSystem.Name != "zfs" {
			t.Errorf("%s is taken as several disks, of which btrfs alone is made here: make it in disk.go, devices.go, boot.go and target.go, or refuse it as zfs is, there and in rehearsal/adapt.go", l.Name)
		}
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
		{"xfs as ext4", Answer{Filesystem: "xfs", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT1"}}, "/dev/sdb"},
		{"btrfs: every disk that any entry fits", Answer{Filesystem: "btrfs", Raid: "raid0", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "*"}}, "/dev/sda /dev/sdb"},
		{"btrfs, all: what lacks the property fits", Answer{Filesystem: "btrfs", Raid: "raid0", DiskFilterSecond: "all", DiskFilter: map[string]string{"ID_MODEL": "QEMU*"}}, "/dev/sda /dev/sdb"},
		{"btrfs: unknown names are skipped", Answer{Filesystem: "btrfs", Raid: "raid0", DiskList: []string{"sdx", "sdb"}}, "/dev/sdb"},
		{"an exact serial", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT1"}}, "/dev/sdb"},
		{"a glob takes the first", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "*"}}, "/dev/sda"},
		{"a second property widens", Answer{DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT1", "DEVNAME": "/dev/sda"}}, "/dev/sda"},
		{"all is any", Answer{DiskFilterSecond: "all", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "OTHER", "ID_MODEL": "QEMU*"}}, "/dev/sda"},
		{"a name is a suffix", Answer{DiskList: []string{"b"}}, "/dev/sdb"},
	} {
		c.a.Filesystem = cmp.Or(c.a.Filesystem, "ext4")
		d, err := systemDisks(all, c.a)
		if got := strings.Join(names(d), " "); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	for want, a := range map[string]Answer{
		"no disks match filter":            {Filesystem: "ext4", DiskFilter: map[string]string{"ID_SERIAL_SHORT": "ROOT2"}},
		"need at least 2 devices, found 1": {Filesystem: "btrfs", Raid: "raid1", DiskList: []string{"sda", "sdx"}},
		"unable to load zfs kernel module": {Filesystem: "zfs", Raid: "raid0", DiskList: []string{"sda"}},
	} {
		if _, err := systemDisks(all, a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v gives %v, want %q", a, err, want)
		}
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
	a, err := ParseAnswer([]byte(good), world)
	if err != nil {
		t.Fatal(err)
	}
	all := append([]Device{{Name: "enp0s9", Properties: map[string]string{"ID_NET_NAME_MAC": "enx525400000103"}}}, nics(parseUdev(export))...)
	files := networkFiles(a, "enp0s3", all)
	for _, want := range []string{"127.0.0.1 localhost.localdomain localhost\n10.203.3.11 frege.example.org frege\n\n", "fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\n"} {
		if !strings.Contains(files["etc/hosts"], want) {
			t.Errorf("hosts lack %q:\n%s", want, files["etc/hosts"])
		}
	}
	want := "auto lo\niface lo inet loopback\n\niface enp0s3 inet manual\n\nauto vmbr0\niface vmbr0 inet static\n\taddress 10.203.3.11/24\n" +
		"\tgateway 10.203.3.1\n\tbridge-ports enp0s3\n\tbridge-stp off\n\tbridge-fd 0\n\niface enp0s9 inet manual\n\n\nsource /etc/network/interfaces.d/*\n"
	if got := files["etc/network/interfaces"]; got != want {
		t.Errorf("interfaces are\n%s\nwant\n%s", got, want)
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

func TestLocalesAreTheInstallersOwn(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"iso3166.tab": "# codes\nDE\tGermany\nGB\tBritain (UK)\n",
		"zone.tab":    "# zones\nDE\t+5230+01322\tEurope/Berlin\tmost of Germany\nGB\t+513030-0000731\tEurope/London\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := readLocales(dir)
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]bool{"de": true, "gb": true, "uk": false, "DE": false} {
		if l.Countries[code] != want {
			t.Errorf("country %s: %t", code, l.Countries[code])
		}
	}
	for zone, want := range map[string]bool{"Europe/Berlin": true, "Europe/London": true, "UTC": true, "Etc/UTC": false, "europe/berlin": false} {
		if l.Zones[zone] != want {
			t.Errorf("zone %s: %t", zone, l.Zones[zone])
		}
	}
}

// The sizes are those that the official installer's arithmetic gives.
func TestVolumes(t *testing.T) {
	gib := func(f float64) *float64 { return &f }
	const espEnd = 513 << 10 // KiB
	for _, c := range []struct {
		name   string
		disk   int64 // KiB, after the EFI system partition
		memory int64
		o      lvmOptions
		want   volumes
	}{
		{"8 GiB: no room for guests", 8<<20 - espEnd, 1536, lvmOptions{}, volumes{swap: 896 << 10, root: (6783 - 4) / 4 * 4 << 10}},
		{"40 GiB", 40<<20 - espEnd, 1536, lvmOptions{}, volumes{swap: 2048 << 10, root: 19196 << 10, data: (14208 - 2*1024 - 4) << 10, metadata: 1 << 20}},
		{"no guests wanted", 40<<20 - espEnd, 1536, lvmOptions{maxvz: gib(0)}, volumes{swap: 2048 << 10, root: 19196 << 10}},
		{"root no larger than 10 GiB", 40<<20 - espEnd, 1536, lvmOptions{swap: gib(0), maxroot: gib(10), minfree: gib(20)}, volumes{root: 10 << 20, data: (9724 - 2*1024 - 4) << 10, metadata: 1 << 20}},
	} {
		if got := divide(c.disk, c.memory, c.o); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if espSize(100<<20) != 512 || espSize(100<<20+1) != 1024 {
		t.Error("the EFI system partition is large on disks of more than 100 GiB")
	}
}

func TestPartitionNames(t *testing.T) {
	for disk, want := range map[string]string{"/dev/sda": "/dev/sda3", "/dev/vdb": "/dev/vdb3", "/dev/nvme0n1": "/dev/nvme0n1p3", "/dev/sdaa": "/dev/sdaa3"} {
		if got, err := partitionName(disk, 3); got != want || err != nil {
			t.Errorf("%s: %s, %v", disk, got, err)
		}
	}
	if _, err := partitionName("/dev/mmcblk0", 3); err == nil || err.Error() != "unable to get device for partition 3 on device /dev/mmcblk0" {
		t.Errorf("an SD card gives %v", err)
	}
}

func TestGrubSpeaksWhereTheMediumSpoke(t *testing.T) {
	want := "GRUB_TERMINAL_INPUT=\"console serial\"\nGRUB_TERMINAL_OUTPUT=\"gfxterm serial\"\nGRUB_SERIAL_COMMAND=\"serial --unit=0 --speed=115200\"\n" +
		"GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX console=tty0 console=ttyS0,115200\""
	if got := grubWords("console=tty0 console=ttyS0,115200"); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := grubWords("nomodeset"); got != "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX nomodeset\"" {
		t.Errorf("got %s", got)
	}
}
