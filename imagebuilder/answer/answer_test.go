package answer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/profiles"
	"ringboot/profiles/pick"
)

const hash = "$y$j9T$abcdefghijklmnop$0123456789012345678901234567890123456789012"

func request(edit func(*profiles.Profile)) Request {
	p := profiles.Default()
	if edit != nil {
		edit(p)
	}
	return Request{Profile: p, Node: "frege", Version: V92, RootPasswordHash: hash, RootKeys: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPhANJhy+zEE9KoXePu7b4+1i//uvCPa5lDCoYg7YlC tests"}}
}

func TestWriteGolden(t *testing.T) {
	for name, edit := range map[string]func(*profiles.Profile){
		"default": nil,
		"serial": func(p *profiles.Profile) {
			p.Nodes[0].RootDisk = profiles.DiskName{Serial: "S649*NX[1]"}
			p.Nodes[0].Ports = []profiles.Port{{MAC: "58:47:CA:00:00:01"}, {MAC: "58:47:ca:00:00:02"}}
			p.Install.AfterInstall = "power-off"
		},
		"zfs-by-id": func(p *profiles.Profile) {
			p.Install.Filesystem = "zfs"
			p.Nodes[0].RootDisk = profiles.DiskName{ByID: "nvme-Samsung_SSD_990_S1"}
			p.Nodes[0].Ports = []profiles.Port{{Path: "pci-0000:57:00.0"}}
		},
		"zfs-mirror": func(p *profiles.Profile) { // by different properties, so an answer can name both
			p.Install.Filesystem, p.Install.Size = "zfs (raid1)", 200
			p.Nodes[0].RootDisk, p.Nodes[0].MirrorDisk = profiles.DiskName{Serial: "S1"}, profiles.DiskName{ByID: "nvme-eui.2"}
			p.Nodes[0].Ports = []profiles.Port{{MAC: "58:47:ca:00:00:01"}}
		},
		"btrfs-mirror-unchosen": func(p *profiles.Profile) { // preflight names them
			p.Install.Filesystem = "btrfs (raid1)"
			p.Nodes[0].RootDisk, p.Nodes[0].MirrorDisk = profiles.DiskName{Serial: "S1"}, profiles.DiskName{Serial: "S2"}
			p.Nodes[0].Ports = []profiles.Port{{MAC: "58:47:ca:00:00:01"}}
		},
		"half-a-disk": func(p *profiles.Profile) {
			p.Install.Size = 96
			p.Nodes[0].RootDisk = profiles.DiskName{Serial: "S1"}
			p.Nodes[0].Ports = []profiles.Port{{MAC: "58:47:ca:00:00:01"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Write(request(edit))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".toml")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("differs from %s (UPDATE=1 writes it):\n%s", golden, diff)
			}
		})
	}
}

// written are the versions of which it is known what their installers take.
var written = []Version{V84, V90, V91, V92}

// A release of profiles whose installer nobody has read would be answered in the
// words of the one before it.
func TestEveryReleaseHasItsAnswer(t *testing.T) {
	for _, r := range profiles.Releases() {
		if v, err := ParseVersion(r.Name); err != nil || !slices.Contains(written, v) {
			t.Errorf("release %s has a row in profiles and no version here: read what its installer takes, and say since when and until when in key.go", r.Name)
		}
	}
}

// A key that a release gave up has the row of its old name until then, and one of
// its new name since.
func TestAKeyIsReadFromAReleaseToARelease(t *testing.T) {
	k := key{path: "global.mailto", since: V83, until: V91}
	for v, want := range map[Version]string{
		V82: "is read from version 8.3 on; 8.2 stops at it: leave it out", V83: "", V91: "",
		V92: "is read up to version 9.1; 9.2 stops at it: leave it out",
	} {
		if got := k.unread(v); got != want {
			t.Errorf("%s: got %q, want %q", v, got, want)
		}
	}
}

// What we write ourselves must be right for every version that we write for.
func TestOwnAnswersAreRightForEveryVersion(t *testing.T) {
	for _, v := range written {
		for _, l := range profiles.Layouts() {
			fs := l.Name
			r := request(func(p *profiles.Profile) {
				p.Install.Filesystem, p.Install.Size = fs, 96
				p.Nodes[0].RootDisk = profiles.DiskName{Serial: "S1"}
				if l.Mirror() {
					p.Nodes[0].MirrorDisk = profiles.DiskName{ByID: "nvme-eui.2"}
				}
				p.Nodes[0].Ports = []profiles.Port{{MAC: "58:47:ca:00:00:01"}}
			})
			r.Version = v
			text, err := Write(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range Lint("answer.toml", text, v, nil).Findings {
				if f.Severity != Note {
					t.Errorf("%s, %s: %s\n%s", v, fs, f, text)
				}
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for want, edit := range map[string]func(*Request){
		"proxmox ve 8.3 is older than 8.4: take a newer ISO": func(r *Request) { r.Version = V83 },
		`node "goedel" is not in the profile`:                func(r *Request) { r.Node = "goedel" },
		"no hash of root's password was given":               func(r *Request) { r.RootPasswordHash = "" },
		`frege: root_disk.by_id "ieee-1" is of no known bus (wwn, nvme, ata, usb, scsi, cciss, virtio): name the disk by its serial`: func(r *Request) {
			r.Profile.Nodes[0].RootDisk = profiles.DiskName{ByID: "ieee-1"}
		},
	} {
		r := request(nil)
		edit(&r)
		if _, err := Write(r); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// good is a complete answer that has nothing to complain about on 9.2.
const good = `[global]
keyboard = "de"
country = "de"
timezone = "Europe/Berlin"
mailto = "a@example.org"
fqdn = "frege.home.arpa"
root-password-hashed = "` + hash + `"
root-ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPhANJhy+zEE9KoXePu7b4+1i//uvCPa5lDCoYg7YlC tests"]
reboot-mode = "power-off"

[network]
source = "from-answer"
cidr = "10.203.3.11/24"
dns = "10.203.3.1"
gateway = "10.203.3.1"
filter.ID_NET_NAME_MAC = "enx5847ca000001"

[disk-setup]
filesystem = "ext4"
filter.ID_SERIAL_SHORT = "S1"
`

func TestLintGood(t *testing.T) {
	if r := Lint("a.toml", []byte(good), V92, nil); len(r.Findings) != 0 {
		t.Errorf("complains about nothing: %v", r.Findings)
	}
}

func TestLint(t *testing.T) {
	zfs := `filesystem = "zfs"` + "\nzfs.raid = \"raid1\""
	cases := []struct {
		name, old, text string
		v               Version
		want            string
	}{
		{"unknown key", `keyboard = "de"`, `keybord = "de"`, V92, `a.toml:2:1: global.keybord: error: unknown key, at which the installer stops; did you mean global.keyboard?`},
		{"missing", `country = "de"`, ``, V92, `a.toml:1:2: global.country: error: is missing, and the installer stops without it`},
		{"enum", `"ext4"`, `"ext5"`, V92, `a.toml:19:1: disk-setup.filesystem: error: "ext5" is not known; allowed: ext4, xfs, zfs, btrfs; did you mean ext4?`},
		{"too new", `reboot-mode`, `subscription-key = "pve2c-0123456789"` + "\nreboot-mode", V91, `a.toml:9:1: global.subscription-key: error: is read from version 9.2 on; 9.1 stops at it: leave it out`},
		{"kebab too early", `reboot-mode = "power-off"`, ``, V83, `a.toml:7:1: global.root-password-hashed: error: version 8.3 knows only the old spelling; write global.root_password_hashed`},
		{"snake late", `root-ssh-keys`, `root_ssh_keys`, V92, `a.toml:8:1: global.root_ssh_keys: note: is the old spelling, which version 9.2 still takes; write global.root-ssh-keys`},
		{"both spellings", `reboot-mode`, "root_ssh_keys = []\nreboot-mode", V92, `a.toml:9:1: global.root_ssh_keys: error: is the same key as global.root-ssh-keys, and the installer refuses both together; keep global.root-ssh-keys`},
		{"clear password", `root-password-hashed = "` + hash + `"`, `root-password = "12345678"`, V92, `a.toml:7:1: global.root-password: risk: the password stands here in clear, and every package of the ISO can read it; write root-password-hashed (mkpasswd -m yescrypt)`},
		{"short password", `root-password-hashed = "` + hash + `"`, `root-password = "1234567"`, V92, `a.toml:7:1: global.root-password: error: has 7 bytes; version 9.2 wants at least 8`},
		{"no hash", `"` + hash + `"`, `"secret"`, V92, `a.toml:7:1: global.root-password-hashed: error: is no crypt(3) hash, which begins with $; the installer would not notice, and nobody could log in`},
		{"host only", `frege.home.arpa`, `frege`, V92, `a.toml:6:1: global.fqdn: error: "frege" is no full host name; write host and domain, such as frege.home.arpa, of letters, digits and inner dashes`},
		{"empty nic filter", `filter.ID_NET_NAME_MAC = "enx5847ca000001"`, `filter = {}`, V92, `a.toml:16:1: network.filter: error: is empty; the installer dies of it after the checks: name the port, such as ID_NET_NAME_MAC = "enx5847ca000001"`},
		{"wide nic filter", `"enx5847ca000001"`, `"enx*"`, V92, `a.toml:16:8: network.filter.ID_NET_NAME_MAC: risk: the pattern "enx*" can fit more than one port; write an exact value, or prove it with --inventory`},
		{"unknown property", `ID_SERIAL_SHORT`, `ID_SERIAL_SHRT`, V92, `a.toml:20:8: disk-setup.filter.ID_SERIAL_SHRT: risk: is no udev property that these devices usually have; did you mean ID_SERIAL_SHORT?`},
		{"model", `ID_SERIAL_SHORT = "S1"`, `ID_MODEL = "Samsung"`, V92, `a.toml:20:8: disk-setup.filter.ID_MODEL: risk: more than one disk can have this value; name it by ID_SERIAL_SHORT, or prove it with --inventory`},
		{"kernel name", `filter.ID_SERIAL_SHORT = "S1"`, `disk-list = ["nvme0n1"]`, V92, `a.toml:20:1: disk-setup.disk-list: risk: disks are named as the kernel counts them, and another disk may have the name next time; use filter.ID_SERIAL_SHORT with the serial`},
		{"path", `filter.ID_SERIAL_SHORT = "S1"`, `disk-list = ["/dev/disk/by-id/x"]`, V92, `a.toml:20:1: disk-setup.disk-list: error: "/dev/disk/by-id/x" is a path; names are compared with the end of /dev/..., and nothing below /dev/disk is known: use filter.ID_SERIAL`},
		{"match on ext4", `filter.ID_SERIAL_SHORT`, "filter-match = \"all\"\nfilter.ID_SERIAL_SHORT", V92, `a.toml:20:1: disk-setup.filter-match: note: has no effect with this file system: the first disk that fits any line is taken`},
		{"match all", `filesystem = "ext4"`, zfs + "\nfilter-match = \"all\"", V92, `a.toml:21:1: disk-setup.filter-match: risk: with all, a disk that lacks a property counts as fitting; write any with one exact serial`},
		{"foreign options", `filesystem = "ext4"`, "filesystem = \"ext4\"\nzfs.raid = \"raid0\"", V92, `a.toml:20:1: disk-setup.zfs: error: does not belong to filesystem ext4; the installer stops at it`},
		{"ashift", `filesystem = "ext4"`, zfs + "\nzfs.ashift = 20", V92, `a.toml:21:5: disk-setup.zfs.ashift: error: 20 is out of range 9 to 16, which the installer does not check`},
		{"pinning off", `[disk-setup]`, "[network.interface-name-pinning]\nenabled = false\n[disk-setup]", V92, `a.toml:19:1: network.interface-name-pinning.enabled: risk: from 9.2 on, names are pinned as soon as this table is there, whatever it says; leave the table out`},
		{"loop", `reboot-mode = "power-off"`, `reboot-on-error = true`, V92, `a.toml:9:1: global.reboot-on-error: risk: with reboot, a failing installation starts again without end; add reboot-mode = "power-off"`},
		{"bad pattern", `"S1"`, `"S[1"`, V92, `a.toml:20:8: disk-setup.filter.ID_SERIAL_SHORT: error: "S[1" is no valid pattern; a literal star, question mark or bracket is written [*], [?], [[]`},
		{"not toml", `[global]`, `[global`, V92, `a.toml:1:8: error: this is not TOML: expected ']' to close table name`},
		{"type", `reboot-mode = "power-off"`, `reboot-mode = 1`, V92, `a.toml:9:1: global.reboot-mode: error: must be text in quotes`},
		{"key with a dot in it", `filesystem = "ext4"`, "filesystem = \"ext4\"\n\"lvm.hdsize\" = 64", V92, `a.toml:20:1: disk-setup."lvm.hdsize": error: unknown key, at which the installer stops`},
		{"name as a list", `"frege.home.arpa"`, `["from-dhcp", "lan"]`, V92, `a.toml:6:1: global.fqdn: error: is a list, which the installer takes for a name from DHCP; write the whole name in quotes`},
		{"large number in 9.1", `filesystem = "ext4"`, zfs + "\nzfs.arc-max = 4294967296", V91, `a.toml:21:5: disk-setup.zfs.arc-max: error: 4.294967296e+09 is out of range 64 to 1.6777216e+07, which the installer does not check`},
		{"gateway outside", `gateway = "10.203.3.1"`, `gateway = "10.9.3.1"`, V92, `a.toml:15:1: network.gateway: risk: 10.9.3.1 is not in 10.203.3.0/24`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("no %q", c.old)
			}
			var lines []string
			for _, f := range Lint("a.toml", []byte(strings.Replace(good, c.old, c.text, 1)), c.v, nil).Findings {
				lines = append(lines, f.String())
			}
			if !slices.Contains(lines, c.want) {
				t.Errorf("got:\n%s\nwant a line:\n%s", strings.Join(lines, "\n"), c.want)
			}
		})
	}
}

// machine has two equal system disks, a third without a model, and two ports of one driver.
const machine = `{
 "disks": {
  "0": {"DEVNAME": "/dev/nvme0n1", "ID_SERIAL": "Samsung_990_S1", "ID_SERIAL_SHORT": "S1", "ID_MODEL": "Samsung 990"},
  "10": {"DEVNAME": "/dev/nvme2n1", "ID_SERIAL": "Samsung_990_S3", "ID_SERIAL_SHORT": "S3", "ID_MODEL": "Samsung 990"},
  "2": {"DEVNAME": "/dev/sda", "ID_SERIAL": "stick"},
  "3": {"DEVNAME": "/dev/sr0", "ID_CDROM": "1"},
  "4": {"DEVNAME": "/dev/sdb", "ID_FS_TYPE": "iso9660", "ID_SERIAL": "S1"}
 },
 "nics": {
  "enp87s0": {"INTERFACE": "enp87s0", "ID_NET_NAME_MAC": "enx5847ca000001", "ID_NET_DRIVER": "igc"},
  "enp90s0": {"INTERFACE": "enp90s0", "ID_NET_NAME_MAC": "enx5847ca000002", "ID_NET_DRIVER": "igc"}
 }}`

func TestLintAgainstAMachine(t *testing.T) {
	inv, err := ParseInventory([]byte(machine))
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Disks) != 3 {
		t.Errorf("the CD drive and the stick with the ISO are no candidates: %v", inv.Disks)
	}
	btrfs := `filesystem = "btrfs"` + "\nbtrfs.raid = \"raid0\""
	cases := []struct{ name, old, text, want, taken string }{
		{"serial", "", "", `a.toml:20:1: disk-setup.filter: note: fits exactly one disk of this machine: /dev/nvme0n1 (S1)`, "/dev/nvme0n1"},
		{"model on ext4", `ID_SERIAL_SHORT = "S1"`, `ID_MODEL = "Samsung*"`, `a.toml:20:1: disk-setup.filter: error: fits 2 disks of this machine (/dev/nvme0n1 (S1), /dev/nvme2n1 (S3)), and the installer would take /dev/nvme0n1; name one by its serial`, "/dev/nvme0n1"},
		{"nothing", `"S1"`, `"S9"`, `a.toml:20:1: disk-setup.filter: error: fits no disk of this machine; the installation would stop`, ""},
		{"absent property counts as fitting", "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"S1\"", btrfs + "\nfilter-match = \"all\"\nfilter.ID_MODEL = \"Other\"", `a.toml:22:1: disk-setup.filter: note: erases exactly: /dev/sda`, "/dev/sda"},
		{"raid0 over all", "filesystem = \"ext4\"\nfilter.ID_SERIAL_SHORT = \"S1\"", btrfs + "\nfilter.ID_MODEL = \"Samsung*\"", `a.toml:21:1: disk-setup.filter: error: fits 2 disks (/dev/nvme0n1 and /dev/nvme2n1), all of them would be erased, and losing one would lose everything; name one by its serial, or write raid1`, "/dev/nvme0n1 and /dev/nvme2n1"},
		{"suffix", `filter.ID_SERIAL_SHORT = "S1"`, `disk-list = ["a"]`, `a.toml:20:1: disk-setup.disk-list: note: fits exactly one disk of this machine: /dev/sda (stick)`, "/dev/sda"},
		{"unknown name", `filter.ID_SERIAL_SHORT = "S1"`, `disk-list = ["nvme7n1"]`, `a.toml:20:1: disk-setup.disk-list: error: "nvme7n1" fits no disk of this machine; the installation would stop`, ""},
		{"two ports", `ID_NET_NAME_MAC = "enx5847ca000001"`, `ID_NET_DRIVER = "igc"`, `a.toml:16:1: network.filter: error: fits 2 ports of this machine (enp87s0 (enx5847ca000001), enp90s0 (enx5847ca000002)), and the installer would take enp87s0; name one by its hardware address`, "/dev/nvme0n1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := good
			if c.old != "" {
				text = strings.Replace(good, c.old, c.text, 1)
			}
			r := Lint("a.toml", []byte(text), V92, &inv)
			var lines []string
			for _, f := range r.Findings {
				lines = append(lines, f.String())
			}
			if !slices.Contains(lines, c.want) {
				t.Errorf("got:\n%s\nwant a line:\n%s", strings.Join(lines, "\n"), c.want)
			}
			if got := taken(*r.Disks); got != c.taken {
				t.Errorf("takes %q, want %q", got, c.taken)
			}
		})
	}
}

func TestInventoryOfTheAgent(t *testing.T) {
	inv, err := ParseInventory([]byte(`{"version":1,"disks":[{"path":"/dev/nvme0n1","properties":{"ID_SERIAL":"S1"}}],"nics":[{"name":"enp87s0","properties":{"ID_NET_DRIVER":"igc"}}]}`))
	if err != nil || len(inv.Disks) != 1 || inv.Disks[0].Name != "/dev/nvme0n1" || inv.NICs[0].Name != "enp87s0" {
		t.Errorf("%+v %v", inv, err)
	}
	for _, bad := range []string{"", "{}", `{"disks": 3}`, "[]"} {
		if _, err := ParseInventory([]byte(bad)); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"abc", "abc", true}, {"abc", "abcd", false}, {"a*", "a/b", true}, {"*", "", true}, {"?", "é", true}, {"?", "", false},
		{"[a-c]x", "bx", true}, {"[!a-c]x", "bx", false}, {"[]]", "]", true}, {"[[]1[*]", "[1*", true}, {"a**b", "ab", false},
		{"*a*b*c", "xxaxxbxxc", true}, {"*a*b*c", "xxaxxcxxb", false}, {"[", "[", false}, {"[a-]", "-", true},
	} {
		if got := pick.Match(c.pattern, c.value); got != c.want {
			t.Errorf("%q against %q: %v", c.pattern, c.value, got)
		}
	}
}

func TestParseVersion(t *testing.T) {
	if v, err := ParseVersion("9.2-1"); err != nil || v != V92 || v.String() != "9.2" {
		t.Errorf("%v %v", v, err)
	}
	for _, bad := range []string{"", "9", "7.4-1", "10.0", "nine"} {
		if _, err := ParseVersion(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(good), "S*", "S1")
	f.Add([]byte("a.b = {c = [1]}\n[[x]]\ny=1"), "[!]a]", "b")
	inv, err := ParseInventory([]byte(machine))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, pattern, value string) {
		for _, v := range []Version{V82, V84, V92} {
			for _, finding := range Lint("f", text, v, &inv).Findings {
				if finding.Text == "" || strings.Contains(finding.String(), "%!") {
					t.Fatalf("malformed finding %q", finding)
				}
			}
		}
		pick.Match(pattern, value)
		if len(value) < 100 && !pick.Match(pick.Escape(value), value) && strings.ToValidUTF8(value, "") == value {
			t.Fatalf("%q does not match itself when escaped", value)
		}
	})
}

func FuzzInventory(f *testing.F) {
	f.Add("9.0-1", []byte(`{"disks":[{"name":"sda","size":1}],"nics":[]}`))
	f.Fuzz(func(_ *testing.T, version string, text []byte) {
		_, _ = ParseVersion(version)
		_, _ = ParseInventory(text)
	})
}
