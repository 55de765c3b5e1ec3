package answer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/spelling"
)

// randomProfile is the default profile with some of its values replaced, by good
// ones and by what people write instead.
func randomProfile(r *rand.Rand) string {
	l := spelling.Shipped()
	zones, countries, keyboards := slices.Sorted(maps.Keys(l.Zones)), slices.Sorted(maps.Keys(l.Countries)), slices.Sorted(maps.Keys(l.Keyboards))
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	rare := func(good string, bad ...string) string {
		if r.IntN(40) == 0 {
			return pick(bad...)
		}
		return good
	}
	text := string(profiles.DefaultText())
	put := func(old, value string) {
		if r.IntN(3) != 0 {
			text = strings.Replace(text, old, value, 1)
		}
	}
	put("timezone: UTC", "timezone: "+rare(pick(zones...), "Etc/UTC", "Europe/Kiev", "utc", "US/Pacific", "Mars/Olympus"))
	put("country: us", "country: "+rare(pick(countries...), "uk", "DE", "xx"))
	put("keyboard: en-us", "keyboard: "+rare(pick(keyboards...), "us", "da", "DE"))
	put("mail: root@philosophers.home.arpa", "mail: "+rare(pick("a@b", "admin@example.org", `"o'neil+x@a-b.example.org"`, "root@localhost"), "root", "a@my_host.lan", "mail@example.invalid", "jörg@example.org"))
	put("domain: home.arpa", "domain: "+rare(pick("lan", "example.org", "a-1.b.c", strings.Repeat("a", 63)+".lan", strings.Repeat("abcdefghi.", 23)+"org"), "a_b", "home.arpa.", "-a.b"))
	put("name: frege", "name: "+rare(pick("frege", "1a", "a-b", strings.Repeat("f", 63)), "1234", "-a", "fre_ge", "localhost"))
	put("version: 9.2-1", "version: "+rare(pick("9.2-1", "9.1-1", "9.0-1", "9.2-2", "9.3-1"), "8.4-1", "9", "10.0-1"))
	if v := strings.Contains(text, "version: 9.0-1") || strings.Contains(text, "version: 9.1-1"); v {
		text = strings.Replace(text, "version: tentacle", "version: squid", 1)
	}
	disk := func() string {
		return rare(pick("{serial: S649NX0R123456}", "{serial: 'S*[1]?'}", "{serial: 'Samsung_990_S1'}", "{serial: '\"q\\'}", "{by_id: nvme-Samsung_990_S1}", "{by_id: nvme-eui.0025385b01234567}", "{by_id: wwn-0x5000c500a1b2c3d4}", "{by_id: usb-Maker_Disk_1-0:0}", "{by_id: ata-X_1}", "{kernel: sda}", "{kernel: nvme0n1}"),
			"{kernel: mmcblk0}", "{by_id: dm-uuid-LVM-x}", "{serial: unknown}", "{kernel: sda1}", "{}")
	}
	fs := pick("ext4", "xfs", "zfs", "btrfs", "zfs (raid1)", "btrfs (raid1)")
	put("filesystem: ext4", "filesystem: "+fs+pick("", "\n  size: 96", "\n  size: 16"))
	put("after_install: reboot", "after_install: "+rare("power-off", "poweroff"))
	for range 3 {
		mirror := ""
		if strings.Contains(fs, "raid1") {
			mirror = "\n    mirror_disk: " + disk()
		}
		put("# root_disk: {serial: S649NX0R123456}", "root_disk: "+disk()+mirror)
		put("ports: [{driver: igc}]", "ports: ["+rare(pick(fmt.Sprintf("{mac: '02:00:00:%02x:%02x:01'}, {driver: igc}", r.IntN(256), r.IntN(256)), "{path: 'pci-0000:57:00.0'}, {driver: igc}", "{path: 'pci-0000:00:14.0-usb-0:3.1:1.0'}, {driver: r8152}", "{interface: enp87s0}, {driver: igc}"),
			"{path: 'pci-0000:00:14.0-usbv3-0:3:1.0'}", "{interface: eth0.5}", "{mac: 'ff:ff:ff:ff:ff:ff'}")+"]")
	}
	put("dns: [10.203.3.1]", "dns: "+rare(pick("[10.203.3.1, 9.9.9.9]", "['2001:db8::53']", "[192.0.2.1]"), "[resolver.lan]", "['fe80::1%eth0']", "[]"))
	return text
}

// Whatever passes as a profile gives an answer that the installer of its release
// takes, for every node.
func TestWhatAProfileMaySayIsTaken(t *testing.T) {
	r := rand.New(rand.NewPCG(20261127, 1))
	n := 1000
	if testing.Short() {
		n = 60
	}
	passed, answers := 0, 0
	for i := range n {
		text := randomProfile(r)
		p, err := profiles.Load("p.yaml", []byte(text))
		if err != nil {
			continue
		}
		passed++
		v, err := ParseVersion(p.Proxmox.Version)
		if err != nil {
			t.Fatalf("profile %d: %v", i, err)
		}
		for _, node := range p.Nodes {
			made, err := Write(Request{Profile: p, Node: node.Name, Version: v, RootPasswordHash: hash, RootKeys: []string{sshKey}})
			if err != nil {
				t.Errorf("profile %d passes, and has no answer for %s: %v\n%s", i, node.Name, err, text)
				continue
			}
			answers++
			for _, f := range Lint("answer.toml", made, v, nil).Findings {
				if f.Severity == Wrong {
					t.Errorf("profile %d passes, and its answer for %s does not: %s\n%s", i, node.Name, f, made)
				}
			}
		}
	}
	if passed < n/5 || passed > n*4/5 {
		t.Errorf("%d of %d profiles pass: the mixture proves little", passed, n)
	}
	fmt.Printf("figure profile.answers_checked %d answers\n", answers)
}
