package answer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCases holds lint against answers that people wrote, each with what it must
// say and, after a minus, what it must not say.
func TestCases(t *testing.T) {
	cases := map[string]struct {
		inventory string
		wrong     bool
		says      []string
	}{
		"01-general-storage":        {wrong: true, says: []string{"general: error: unknown key, at which the installer stops; did you mean global?", "storage: error: unknown key, at which the installer stops; did you mean disk-setup?", "did you mean network.dns?", "did you mean network.filter?", "-network.source?"}},
		"03-hash-as-password":       {wrong: true, says: []string{"global.root-password: error: is a hash, and would become the password itself, so that nobody can log in with the one that was meant; write root-password-hashed"}},
		"06-country-sv":             {says: []string{"global.country: note: sv is not where Europe/Stockholm lies, which is se; the installer minds neither", "-more than one port"}},
		"08-size-filter":            {says: []string{"network.filter.INTERFACE: risk: is the kernel's name of a port, and another port may have it next time", "disk-setup.filter.SIZE: risk: is no udev property", "filter-match: note: has no effect", "-more than one port"}},
		"09-dev-paths":              {says: []string{`"/dev/vda" fits, because the end of the name is compared; vda is enough`, "-: error:"}},
		"11-replace-with":           {wrong: true, says: []string{"global.root-password-hashed: error: is no crypt(3) hash", "global.root-ssh-keys: risk: key 1 is no OpenSSH public key", `"PUT_KEY_HERE" looks like a place that was to be filled in`, "-ID_NET_NAME_MAC: risk"}},
		"12-example-uncommented":    {wrong: true, says: []string{"did you mean en-us?", "global.root-ssh-keys: error: must be a list of texts", "network.filter: error: must be a table", `first-boot.url: error: "" is no address on the web`}},
		"13-model-star-zfs":         {says: []string{"with zfs all fitting disks are erased", "global.root-ssh-keys: risk: key 1 is no OpenSSH public key"}},
		"15-KR-single":              {wrong: true, says: []string{`"KR" is no country of the installer's lists, which are in lower case; write kr`, `disk-setup.zfs.raid: error: "single" is not known`, "-did you mean raid"}},
		"16-fingerprint-dots":       {wrong: true, says: []string{"first-boot.cert-fingerprint: error: is no SHA-256 fingerprint", "post-installation-webhook.cert-fingerprint: error: is no SHA-256 fingerprint", "global.root-password-hashed: error: has not the form of a crypt(3) hash", "name each disk in a line of its own", "-ID_NET_NAME_MAC: risk"}},
		"19-http-firstboot":         {says: []string{"first-boot.url: risk: a script that runs as root comes over plain http", "must answer while the machine is installed"}},
		"20-empty-mailto":           {wrong: true, says: []string{`global.mailto: error: "" is no mail address`, "global.timezone: error:", "global.root-password-hashed: error: has not the form", `"${PROXMOX_DISK}" is the end of no disk's name`, `"${TZ}" looks like a place that was to be filled in`}},
		"24-unquoted":               {wrong: true, says: []string{"text stands in quotes"}},
		"26-empty-list-and-id-type": {says: []string{"DANGER: fits every disk, and with zfs EVERY DISK OF THE MACHINE IS ERASED", "-exclude each other"}},
		"30b-emmc":                  {wrong: true, says: []string{`"mmcblk0": the installer has no name for the partitions of eMMC and SD cards, and dies after it has wiped the disk`}},
		"31-model":                  {inventory: "31-twelve-disks-device-info", wrong: true, says: []string{"the installer would take /dev/sdk"}},
		"37-upper":                  {says: []string{"-: error:"}},
		"38-one-disk-mirror":        {wrong: true, says: []string{"disk-list: error: has 1 disk, and raid1 needs at least 2"}},
		"39-static":                 {inventory: "39-disks-only", says: []string{"network.filter: note: is not proven: the inventory has no ports", "fits exactly one disk of this machine: /dev/nvme0n1", "-: error:"}},
		"41-pinning-names":          {wrong: true, says: []string{`"1lan" is no name of a port`, `"sixteen_characters_long" has 23 letters`, `"en-05" is no name of a port`, `"x" has 1 letters`}},
		"mailUmlaut":                {wrong: true, says: []string{"global.mailto: error:"}},
		"mailUnderscore":            {wrong: true, says: []string{"global.mailto: error:"}},
		"tzEtc":                     {wrong: true, says: []string{"write UTC"}},
		"tzKiev":                    {wrong: true, says: []string{"write Europe/Kyiv"}},
		"tzTypo":                    {wrong: true, says: []string{"did you mean Europe/Berlin?"}},
		"tzUS":                      {wrong: true, says: []string{"write America/Los_Angeles"}},
		"uk":                        {wrong: true, says: []string{"write gb"}},
	}
	files, err := filepath.Glob("testdata/cases/*.toml")
	if err != nil || len(files) != len(cases) {
		t.Fatalf("%d cases, %d files, %v", len(cases), len(files), err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/cases/" + name + ".toml")
			if err != nil {
				t.Fatal(err)
			}
			var machine *Inventory
			if c.inventory != "" {
				raw, err := os.ReadFile("testdata/cases/" + c.inventory + ".json")
				if err != nil {
					t.Fatal(err)
				}
				inv, err := ParseInventory(raw)
				if err != nil {
					t.Fatal(err)
				}
				machine = &inv
			}
			r := Lint(name+".toml", text, V92, machine)
			all := strings.Trim(fmt.Sprint(r.Findings), "[]")
			if r.Wrong() != c.wrong {
				t.Errorf("wrong is %v:\n%s", r.Wrong(), all)
			}
			for _, want := range c.says {
				if not, forbidden := strings.CutPrefix(want, "-"); forbidden == strings.Contains(all, not) && forbidden || !forbidden && !strings.Contains(all, want) {
					t.Errorf("must say %q:\n%s", want, all)
				}
			}
		})
	}
}

// The same in a dialect that an older ISO reads.
func TestDialects(t *testing.T) {
	const pins = "[network.interface-name-pinning]\nenabled = true\nmapping.\"02:00:00:00:00:0A\" = \"lan0.5\"\n[disk-setup]"
	for _, c := range []struct {
		name, old, text string
		v               Version
		want            string // "": nothing is wrong
	}{
		{"without a mask on 9.2", `"10.203.3.11/24"`, `"10.203.3.11"`, V92, ""},
		{"without a mask on 9.1", `"10.203.3.11/24"`, `"10.203.3.11"`, V91, `"10.203.3.11" is no address with a mask`},
		{"no source on 9.1", `source = "from-answer"`, ``, V91, `is forbidden unless network.source is from-answer`},
		{"dots in names on 9.2", `[disk-setup]`, pins, V92, ""},
		{"dots in names on 9.1", `[disk-setup]`, pins, V91, `"lan0.5" is no name of a port`},
		{"pinning on 9.0", `[disk-setup]`, pins, V90, `is read from version 9.1 on; 9.0 stops at it`},
		{"zone of an address", `gateway = "10.203.3.1"`, `gateway = "fe80::1%eth0"`, V92, `"fe80::1%eth0" is no address`},
		{"dns empty", `dns = "10.203.3.1"`, `dns = ""`, V92, `"" is no address`},
		{"number with a point", `filesystem = "ext4"`, "filesystem = \"zfs\"\nzfs.raid = \"raid0\"\nzfs.ashift = 12.0", V92, `must be a whole number, without a point`},
		{"half of hdsize", `filesystem = "ext4"`, "filesystem = \"ext4\"\nlvm.hdsize = 20.5\nlvm.swapsize = 10.5", V92, `10.5 GiB is more than half of hdsize 20.5 GiB`},
		{"pinning table without enabled", `[disk-setup]`, "[network.interface-name-pinning]\n[disk-setup]", V92, `network.interface-name-pinning.enabled: error: is missing`},
		{"one name for two ports", `[disk-setup]`, "[network.interface-name-pinning]\nenabled = true\nmapping.\"02:00:00:00:00:01\" = \"lan0\"\nmapping.\"02:00:00:00:00:02\" = \"lan0\"\n[disk-setup]", V92, `"lan0" is the name of two ports`},
		{"a line break in an inline table", `filter.ID_SERIAL_SHORT = "S1"`, "filter = { ID_SERIAL_SHORT = \"S1\",\n ID_WWN = \"x\" }", V92, `a.toml:20:35: error: has a line break in an inline table, which TOML 1.1 allows`},
		{"a BOM", "[global]", "\ufeff[global]", V92, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(good, c.old) {
				t.Fatalf("no %q", c.old)
			}
			r := Lint("a.toml", []byte(strings.Replace(good, c.old, c.text, 1)), c.v, nil)
			all := fmt.Sprint(r.Findings)
			if r.Wrong() != (c.want != "") || !strings.Contains(all, c.want) {
				t.Errorf("want %q, got %s", c.want, all)
			}
		})
	}
}
