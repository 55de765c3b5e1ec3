package profiles

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A row that lacks a column would be guessed somewhere else.
func TestEveryReleaseHasEveryColumn(t *testing.T) {
	before := 0
	for _, r := range Releases() {
		n, ok := number(r.Name)
		if !ok || n <= before {
			t.Errorf("%s does not come after the row before it", r.Name)
		}
		before = n
		if r.Suite == "" || r.Keyring == "" || r.Installer == "" || r.Manager == "" || len(r.Ceph) == 0 || len(r.CephRepositories) == 0 || r.HA == "" || len(r.ISOs) == 0 {
			t.Errorf("%s lacks a column: %+v", r.Name, r)
		}
		if r.HA != HAPlain && r.HA != HAFencing {
			t.Errorf("%s: how ha-manager speaks (%q) is nothing that firstboot/pve was tried with: rehearsal/tools/ha.go is to speak so, too", r.Name, r.HA)
		}
		for iso, sum := range r.ISOs {
			if !strings.HasPrefix(iso, r.Name+"-") || len(sum) != 64 {
				t.Errorf("%s: ISO %q with sum %q", r.Name, iso, sum)
			}
		}
		for _, c := range r.Ceph {
			if c.Name == "" || c.Version == "" || c.Since == "" || c.Until == "" {
				t.Errorf("%s: %+v", r.Name, c)
			}
			if !slices.Contains(keyTable()["ceph.version"].Enum, c.Name) {
				t.Errorf("%s installs Ceph %s, which ceph.version cannot name: key.go", r.Name, c.Name)
			}
		}
	}
}

func TestReleaseOf(t *testing.T) {
	for version, want := range map[string]string{
		"9.0-1": "9.0", "9.1": "9.1", "9.2-1": "9.2", "9.2-7": "9.2", "9.3-1": "9.2 newer",
		"8.4-1": `"8.4-1" is not supported: Proxmox VE 8 got its last updates in August 2026, and is built on another Debian; take the ISO of 9.2`,
		"7.4-1": `"7.4-1" is too old; take the ISO of 9.2`,
		"10.0":  `"10.0" is not known to this mkimage, whose newest release is 9.2: a new major release is built on another Debian; take a newer mkimage, or the ISO of 9.2`,
		"nine":  `"nine" is no version; write a release and its ISO, such as 9.2-1`,
	} {
		r, newer, err := ReleaseOf(version)
		got := r.Name
		if newer {
			got += " newer"
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

// with is the default profile with other lines.
func with(t *testing.T, pairs ...string) string {
	t.Helper()
	s := string(DefaultText())
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("the default profile has no %q", pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

const (
	versionLine = "  version: 9.2-1 "
	cephLine    = "  version: tentacle "
)

func TestEachReleaseHasItsOwnDefaultOfCeph(t *testing.T) {
	for version, want := range map[string]string{"9.0-1": "squid", "9.1-1": "squid", "9.2-1": "tentacle", "9.4-1": "tentacle"} {
		p, err := Load("p.yaml", []byte(with(t, versionLine, "  version: "+version+" ", cephLine, "  version: ")))
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		if p.Ceph.Version != want {
			t.Errorf("%s gets Ceph %s, want %s", version, p.Ceph.Version, want)
		}
	}
}

func TestWhatAReleaseCannotDoIsRefused(t *testing.T) {
	for _, c := range []struct{ version, old, text, want string }{
		{"8.4-1", "x", "", `p.yaml:16:12: proxmox.version: "8.4-1" is not supported: Proxmox VE 8 got its last updates in August 2026, and is built on another Debian; take the ISO of 9.2`},
		{"9.2", "x", "", `p.yaml:16:12: proxmox.version: "9.2" lacks the number of the ISO; write 9.2-1`},
		{"9.1-1", cephLine, cephLine, `p.yaml:77:12: ceph.version: tentacle is not installed by Proxmox VE 9.1, whose ISO has pve-manager 9.1.1; write squid, or take the ISO of 9.2`},
		{"9.0-1", "  repository: no-subscription # of ceph", "", `p.yaml:78:15: ceph.repository: manual is a word that pveceph of Proxmox VE 9.0 does not know; write no-subscription or enterprise, or take the ISO of 9.2`},
	} {
		text := with(t, versionLine, "  version: "+c.version+" ")
		if strings.HasPrefix(c.version, "9.0") {
			text = strings.Replace(text, cephLine, "  version: squid ", 1)
			at := strings.Index(text, "\nceph:")
			text = text[:at] + strings.Replace(text[at:], "repository: no-subscription", "repository: manual", 1)
		}
		_, err := Load("p.yaml", []byte(text))
		if err == nil || !slices.Contains(strings.Split(err.Error(), "\n"), c.want) {
			t.Errorf("%s: got\n%v\nwant\n%s", c.version, err, c.want)
		}
	}
}

func TestReleaseRisks(t *testing.T) {
	for version, want := range map[string]string{
		"9.2-1": "[]",
		"9.3-1": "[Proxmox VE 9.3-1 is newer than this mkimage, which treats it as 9.2: look for a newer mkimage, or try one machine first]",
		"9.1-1": "[Ceph squid is supported until 2026-09-19 only: take the ISO of 9.2 and ceph.version tentacle]",
	} {
		p, err := Load("p.yaml", []byte(with(t, versionLine, "  version: "+version+" ", cephLine, "  version: ")))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(p.ReleaseRisks()); got != want {
			t.Errorf("%s: got %s, want %s", version, got, want)
		}
	}
}
