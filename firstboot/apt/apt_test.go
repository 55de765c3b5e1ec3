package apt

import (
	"slices"
	"strings"
	"testing"
)

func TestVersionsAreOrderedAsDpkgDoes(t *testing.T) {
	for _, c := range []struct{ less, more string }{
		{"9.2.2", "9.2.11"}, {"3.1.9-pve1", "3.1.10-pve3"}, {"3.1.10-pve2", "3.1.10-pve3"}, {"1.0~rc1", "1.0"}, {"1.0", "1.0+b1"}, {"1.0-1", "1.0-1+deb13u2"},
		{"20.2.0-pve1", "1:9.1.0"}, {"6.17.2-1", "6.17.4-1"}, {"1.0a", "1.0+"}, {"2.0.9", "2.0.10-1"}, {"1.0", "1.0-1"},
	} {
		if Compare(c.less, c.more) >= 0 || Compare(c.more, c.less) <= 0 {
			t.Errorf("%s is not before %s", c.less, c.more)
		}
	}
	for _, v := range []string{"9.2.11", "1:2-3"} {
		if Compare(v, v) != 0 {
			t.Errorf("%s differs from itself", v)
		}
	}
	if Compare("1.01", "1.1") != 0 {
		t.Error("a leading zero counts")
	}
}

func TestWhatAnUpgradeWouldDo(t *testing.T) {
	got := ParseChanges(`NOTE: This is only a simulation!
Inst pve-manager [9.2.11] (9.2.14 Proxmox:stable [all]) []
Inst proxmox-kernel-6.17.4-1-pve-signed (6.17.4-1 Proxmox:stable [amd64])
Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian:13.2/stable [amd64]) [libc6:amd64 on libc6-dev:amd64]
Remv libold1 [1.0-1]
Conf pve-manager (9.2.14 Proxmox:stable [all])
`)
	var words []string
	for _, c := range got {
		words = append(words, c.String())
	}
	want := []string{"libc6 2.41-12 -> 2.41-12+deb13u1", "libold1 1.0-1 (removed)", "proxmox-kernel-6.17.4-1-pve-signed 6.17.4-1 (new)", "pve-manager 9.2.11 -> 9.2.14"}
	if !slices.Equal(words, want) {
		t.Errorf("read %q", words)
	}
}

func TestPinsHoldEachVersion(t *testing.T) {
	got := Pins(map[string]string{"b": "2", "a": "1-1"}, "Package: mine\nPin: release a=x\nPin-Priority: 5\n")
	if !strings.HasPrefix(got, "Package: a\nPin: version 1-1\nPin-Priority: 1001\n\nPackage: b\n") || !strings.HasSuffix(got, "Pin-Priority: 5\n") {
		t.Errorf("pins:\n%s", got)
	}
}

func FuzzParseChanges(f *testing.F) {
	f.Add("Inst pve-manager [9.0.3] (9.0.4 Proxmox:9.0 [all])\nRemv x [1]\n")
	f.Fuzz(func(_ *testing.T, text string) { _ = ParseChanges(text) })
}
