package profiles

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Release is one release of Proxmox VE with everything that follows from it.
// A release that has no row is not guessed: one that is older is refused, one
// that is newer is taken as the newest row, and that is said as a risk.
type Release struct {
	Name    string // 9.2
	Suite   string // of Debian, below it
	Keyring string // that signs Proxmox's repositories of this suite

	// What the first ISO of the release installs; later ISOs bring later ones.
	Installer string // proxmox-installer
	Manager   string // pve-manager

	Ceph             []CephRelease // that pveceph of this ISO installs; the first is the default
	CephRepositories []string      // words that pveceph takes for --repository

	HA   HADialect
	ISOs map[string]string // SHA-256, by the ISO's version: 9.2-1
}

// CephRelease is one release of Ceph.
type CephRelease struct {
	Name    string // tentacle
	Version string // 20.2
	Since   string // pve-manager that installs it without being asked twice
	Until   string // end of upstream's support, as announced
}

// HADialect is how "ha-manager status" speaks in a release.
type HADialect string

// Dialects of the HA manager. From pve-ha-manager 5.1.3 on the line of each node
// names its watchdog, and there is a line about fencing.
const (
	HAPlain   HADialect = "before 5.1.3"
	HAFencing HADialect = "since 5.1.3"
)

// Releases is the table, oldest first. Sources: the changelogs of pve-installer,
// pve-manager and pve-ha-manager, and the published sums of the ISOs.
func Releases() []Release {
	const trixie, keyring = "trixie", "/usr/share/keyrings/proxmox-archive-keyring.gpg"
	squid := CephRelease{"squid", "19.2", "9.0.0", "2026-09-19"}
	tentacle := CephRelease{"tentacle", "20.2", "9.1.13", "2027-11-18"}
	return []Release{
		{
			Name: "9.0", Suite: trixie, Keyring: keyring, Installer: "9.0.7", Manager: "9.0.3",
			Ceph:             []CephRelease{squid},
			CephRepositories: []string{"no-subscription", "enterprise"}, // manual came with pve-manager 9.0.11
			HA:               HAPlain,
			ISOs:             map[string]string{"9.0-1": "228f948ae696f2448460443f4b619157cab78ee69802acc0d06761ebd4f51c3e"},
		},
		{
			Name: "9.1", Suite: trixie, Keyring: keyring, Installer: "9.1.1", Manager: "9.1.1",
			Ceph:             []CephRelease{squid}, // tentacle needs a later pve-manager
			CephRepositories: []string{"no-subscription", "enterprise", "manual"},
			HA:               HAPlain,
			ISOs:             map[string]string{"9.1-1": "6d8f5afc78c0c66812d7272cde7c8b98be7eb54401ceb045400db05eb5ae6d22"},
		},
		{
			Name: "9.2", Suite: trixie, Keyring: keyring, Installer: "9.2.5", Manager: "9.2.2",
			Ceph:             []CephRelease{tentacle, squid},
			CephRepositories: []string{"no-subscription", "enterprise", "manual"},
			HA:               HAFencing,
			ISOs:             map[string]string{"9.2-1": "4e88fe416df9b527624a175f24c9aa07c714d3332afb1ee3dbf3879573ef2c6c"},
		},
	}
}

// number is the release as one that can be ordered: 902 of "9.2" and of "9.2-1".
func number(version string) (int, bool) {
	m := regexp.MustCompile(`^([0-9]{1,2})\.([0-9]{1,2})(-[0-9]+)?$`).FindStringSubmatch(version)
	if m == nil {
		return 0, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	return major*100 + minor, true
}

// ReleaseOf returns the row of a version such as "9.2" or "9.2-1". For a release
// newer than the newest row it is the newest row, and newer is true. The error
// says why a release is not supported.
func ReleaseOf(version string) (r Release, newer bool, err error) {
	rows := Releases()
	first, last := rows[0], rows[len(rows)-1]
	have, ok := number(version)
	if !ok {
		return Release{}, false, fmt.Errorf("%q is no version; write a release and its ISO, such as %s-1", version, last.Name)
	}
	for _, r := range rows {
		if n, _ := number(r.Name); n == have {
			return r, false, nil
		}
	}
	oldest, _ := number(first.Name)
	newest, _ := number(last.Name)
	switch {
	case have/100 == 8:
		return Release{}, false, fmt.Errorf("%q is not supported: Proxmox VE 8 got its last updates in August 2026, and is built on another Debian; take the ISO of %s", version, last.Name)
	case have < oldest:
		return Release{}, false, fmt.Errorf("%q is too old; take the ISO of %s", version, last.Name)
	case have/100 > newest/100:
		return Release{}, false, fmt.Errorf("%q is not known to this mkimage, whose newest release is %s: a new major release is built on another Debian; take a newer mkimage, or the ISO of %s", version, last.Name, last.Name)
	}
	return last, true, nil
}

// Release is the row of the profile's version. A profile that was loaded has one.
func (p *Profile) Release() Release {
	r, _, _ := ReleaseOf(p.Proxmox.Version)
	return r
}

// TakesCeph reports whether the release's own tools install that release of Ceph.
func (r Release) TakesCeph(name string) bool {
	return slices.ContainsFunc(r.Ceph, func(c CephRelease) bool { return c.Name == name })
}

// cephNames are the releases of Ceph that the release installs, for messages.
func (r Release) cephNames() string {
	return strings.Join(wordsOf(r.Ceph, func(c CephRelease) string { return c.Name }), " or ")
}

// cephDefaults says which Ceph each row installs by default, for the reference.
func cephDefaults() string {
	var out []string
	for _, r := range Releases() {
		out = append(out, "`"+r.Ceph[0].Name+"` on "+r.Name)
	}
	return strings.Join(out, ", ")
}

// releaseNames lists the rows, for the reference.
func releaseNames() string {
	return strings.Join(wordsOf(Releases(), func(r Release) string { return r.Name }), ", ")
}

// checkVersion is the rule of proxmox.version.
func checkVersion(version string) string {
	if _, _, err := ReleaseOf(version); err != nil {
		return err.Error()
	}
	if !strings.Contains(version, "-") {
		return fmt.Sprintf("%q lacks the number of the ISO; write %s-1", version, version)
	}
	return ""
}

// release checks what the profile asks of its release.
func (c *checker) release() {
	p := c.p
	r, _, err := ReleaseOf(p.Proxmox.Version)
	if err != nil || !p.Ceph.Enabled {
		return // said at its own key
	}
	last := Releases()[len(Releases())-1]
	if !r.TakesCeph(p.Ceph.Version) && !c.Broken("ceph.version") {
		c.At("ceph.version", "%s is not installed by Proxmox VE %s, whose ISO has pve-manager %s; write %s, or take the ISO of %s", p.Ceph.Version, r.Name, r.Manager, r.cephNames(), last.Name)
	}
	if !slices.Contains(r.CephRepositories, p.Ceph.Repository) && !c.Broken("ceph.repository") {
		c.At("ceph.repository", "%s is a word that pveceph of Proxmox VE %s does not know; write %s, or take the ISO of %s", p.Ceph.Repository, r.Name, strings.Join(r.CephRepositories, " or "), last.Name)
	}
}

// ReleaseRisks names what the profile's versions bring with them, for the whole
// cluster: each is one sentence that ends with the remedy.
func (p *Profile) ReleaseRisks() []string {
	r, newer, err := ReleaseOf(p.Proxmox.Version)
	if err != nil {
		return nil
	}
	var out []string
	if newer {
		out = append(out, fmt.Sprintf("Proxmox VE %s is newer than this mkimage, which treats it as %s: look for a newer mkimage, or try one machine first", p.Proxmox.Version, r.Name))
	}
	if !p.Ceph.Enabled {
		return out
	}
	if p.Proxmox.Update == UpdateInstalled && p.Ceph.Repository != "manual" {
		out = append(out, "the nodes stay with the packages of the medium, and Ceph comes from a repository that goes on: write proxmox.update: latest if they can reach it")
	}
	newest := Releases()[len(Releases())-1]
	for _, have := range r.Ceph {
		if have.Name == p.Ceph.Version && have.Name != newest.Ceph[0].Name {
			out = append(out, fmt.Sprintf("Ceph %s is supported until %s only: take the ISO of %s and ceph.version %s", have.Name, have.Until, newest.Name, newest.Ceph[0].Name))
		}
	}
	return out
}
