package profiles

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles/spelling"
)

// TestEveryValueOfTheInstaller loads a profile with every keyboard, zone and
// country that the installer takes, and with
// what people write instead.
func TestEveryValueOfTheInstaller(t *testing.T) {
	l, checked := spelling.Shipped(), 0
	verdict := func(line, was, value string) error {
		checked++
		_, err := Load("p.yaml", []byte(with(t, "  "+line+": "+was, "  "+line+": "+value)))
		return err
	}
	p := Default().Cluster
	for line, c := range map[string]struct {
		was  string
		good []string
		bad  []string
	}{
		"timezone": {p.Timezone, append(slices.Sorted(maps.Keys(l.Zones)), "UTC"), append(l.OtherZones(),
			"Etc/UTC", "Etc/GMT+5", "EST5EDT", "CET", "posixrules", "Factory", "Europe/Berln", "utc", "Z", "Europe", "Europe/", "Europe/Berlin/Mitte", "'+02:00'", "America/New York")},
		"keyboard": {p.Keyboard, slices.Sorted(maps.Keys(l.Keyboards)), []string{"us", "uk", "da", "sv", "ja", "sl", "DE", "de_ch", "ru", "cz"}},
		"country":  {p.Country, slices.Sorted(maps.Keys(l.Countries)), []string{"uk", "xx", "DE", "eu", "en", "deu", "zz", "'1a'"}},
	} {
		for _, v := range c.good {
			if err := verdict(line, c.was, "'"+v+"'"); err != nil {
				t.Errorf("%s %s: %v", line, v, err)
			}
		}
		for _, v := range c.bad {
			if err := verdict(line, c.was, v); err == nil {
				t.Errorf("%s %s passes, and the installer refuses it", line, v)
			}
		}
	}
	fmt.Printf("figure profile.values_checked %d values\n", checked)
	fmt.Printf("figure releases.supported %d releases\n", len(Releases()))
}

// What the installer has no partitions for must not get as far as an image.
func TestDisksThatCannotBeHad(t *testing.T) {
	for value, want := range map[string]string{
		"kernel: mmcblk0":          `p.yaml:51:25: nodes[0].root_disk.kernel: "mmcblk0" is an eMMC or a card, whose partitions the installer cannot name, so that it dies after it has wiped it; take an NVMe or SATA disk`,
		"kernel: nvme0n1p3":        `p.yaml:51:25: nodes[0].root_disk.kernel: "nvme0n1p3" is not allowed; write a whole disk such as nvme0n1 or sda`,
		"by_id: dm-uuid-LVM-abc":   `p.yaml:51:24: nodes[0].root_disk.by_id: "dm-uuid-LVM-abc" is no disk, but made of disks; name the disk itself`,
		"by_id: mmc-X_0x1":         `p.yaml:51:24: nodes[0].root_disk.by_id: "mmc-X_0x1" is an eMMC or a card, whose partitions the installer cannot name; take an NVMe or SATA disk`,
		"by_id: a/b":               `p.yaml:51:24: nodes[0].root_disk.by_id: "a/b" is not allowed; write a file name without a slash`,
		"by_id: nvme-Samsung_S1_1": "",
	} {
		_, err := Load("p.yaml", []byte(edit(t, "# root_disk: {serial: S649NX0R123456}", "root_disk: {"+value+"}")))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", value, got, want)
		}
	}
}

// A line of the template that lists the words of its key lists all of them:
// whoever fills it in reads no other list.
func TestTheTemplateNamesEveryWord(t *testing.T) {
	section, seen := "", 0
	for line := range strings.Lines(string(DefaultText())) {
		if m := regexp.MustCompile(`^([a-z_]+):`).FindStringSubmatch(line); m != nil {
			section = m[1]
		}
		m := regexp.MustCompile(`^  ([a-z_]+): .*# (.* \| .*)$`).FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		k, ok := keyTable()[section+"."+m[1]]
		if !ok {
			t.Errorf("%q is of no key", line)
		}
		for _, word := range k.Enum {
			seen++
			if !regexp.MustCompile(`(^|[ ;|])` + regexp.QuoteMeta(word) + `($|[ :;|\n])`).MatchString(line) {
				t.Errorf("philosophers.yaml, %s.%s: the comment lists the words and lacks %q", section, m[1], word)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d words were looked for", seen)
	}
}
