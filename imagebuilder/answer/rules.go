package answer

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"ringboot/profiles"
)

const (
	minPasswordBytes = 8 // enforced by the installer since 8.4
	maxPasswordBytes = 64
)

var fqdnLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func (l *linter) secrets() {
	plain, hashed := l.doc.get("global.root-password"), l.doc.get("global.root-password-hashed")
	switch {
	case plain == nil && hashed == nil:
		l.add(Wrong, "global", "has neither root-password nor root-password-hashed; write the hash")
	case plain != nil && hashed != nil:
		l.add(Wrong, l.doc.written("global.root-password"), "and root-password-hashed exclude each other; keep the hash")
	case plain != nil:
		at, s := l.doc.written("global.root-password"), l.doc.text("global.root-password")
		if l.v >= V83 {
			l.add(Risky, at, "the password stands here in clear, and every package of the ISO can read it; write root-password-hashed (mkpasswd -m yescrypt)")
		}
		if l.v >= V84 && len(s) < minPasswordBytes {
			l.add(Wrong, at, "has %d bytes; version %s wants at least %d", len(s), l.v, minPasswordBytes)
		}
		if len(s) > maxPasswordBytes {
			l.add(Wrong, at, "has %d bytes; %d is the limit of the interface", len(s), maxPasswordBytes)
		}
	default:
		if s := l.doc.text("global.root-password-hashed"); s != "" && !strings.HasPrefix(s, "$") {
			l.add(Wrong, l.doc.written("global.root-password-hashed"), "is no crypt(3) hash, which begins with $; the installer would not notice, and nobody could log in")
		}
	}
	if l.doc.text("global.mailto") == "mail@example.invalid" {
		l.add(Wrong, "global.mailto", "is the placeholder that the installer refuses; write an address")
	}
	if name := l.doc.text("global.fqdn"); name != "" {
		l.fqdn(name)
	}
}

func (l *linter) fqdn(name string) {
	labels := strings.Split(name, ".")
	bad := len(labels) < 2 || len(name) > 253 || strings.Trim(labels[0], "0123456789") == ""
	for _, label := range labels {
		bad = bad || !fqdnLabel.MatchString(label)
	}
	if bad {
		l.add(Wrong, "global.fqdn", "%q is no full host name; write host and domain, such as frege.home.arpa, the host not all digits", name)
	}
}

func (l *linter) network() {
	fixed := []string{"network.cidr", "network.dns", "network.gateway", "network.filter"}
	source := l.doc.text("network.source")
	if source != "from-answer" {
		for _, k := range fixed {
			if l.doc.get(k) != nil {
				l.add(Wrong, k, "is forbidden unless network.source is from-answer")
			}
		}
		if source == "from-dhcp" {
			l.add(Note, "network.source", "the address that DHCP gives during installation is kept as a fixed one")
		}
	} else {
		for _, k := range fixed {
			if l.doc.get(k) == nil {
				l.add(Wrong, k, "is missing; network.source from-answer needs it")
			}
		}
		l.addresses()
		l.nicFilter()
	}
	if l.doc.get("network.interface-name-pinning.enabled") == false && l.v >= V92 {
		l.add(Risky, "network.interface-name-pinning.enabled", "from 9.2 on, names are pinned as soon as this table is there, whatever it says; leave the table out")
	}
}

func (l *linter) addresses() {
	cidr, err := netip.ParsePrefix(l.doc.text("network.cidr"))
	if s := l.doc.text("network.cidr"); s != "" && err != nil {
		l.add(Wrong, "network.cidr", "%q is no address with a mask; write one such as 10.203.3.11/24", s)
	}
	for _, k := range []string{"network.dns", "network.gateway"} {
		s := l.doc.text(k)
		if s == "" {
			continue
		}
		a, bad := netip.ParseAddr(s)
		if bad != nil {
			l.add(Wrong, k, "%q is no address", s)
		} else if k == "network.gateway" && err == nil && !cidr.Contains(a) {
			l.add(Risky, k, "%s is not in %s", a, cidr.Masked())
		}
	}
}

// patterns checks the values of a filter and returns them.
func (l *linter) patterns(path string, known []string) map[string]string {
	filter := l.doc.filter(path)
	for k, pattern := range filter {
		at := path + "." + k
		if !slices.Contains(known, k) {
			hint := ""
			if near := profiles.Nearest(k, known); near != "" {
				hint = "; did you mean " + near + "?"
			}
			l.add(Risky, at, "is no udev property that these devices usually have%s", hint)
		}
		if checkGlob(pattern) != nil {
			l.add(Wrong, at, "%q is no valid pattern; a literal star, question mark or bracket is written [*], [?], [[]", pattern)
		}
	}
	return filter
}

func (l *linter) nicFilter() {
	const path = "network.filter"
	if l.doc.get(path) == nil {
		return
	}
	filter := l.patterns(path, nicProperties)
	if len(filter) == 0 {
		l.add(Wrong, path, "is empty; the installer dies of it after the checks: name the port, such as ID_NET_NAME_MAC = \"enx5847ca000001\"")
		return
	}
	if l.machine == nil {
		l.loose(path, filter, []string{"ID_NET_NAME_MAC"}, "port")
		return
	}
	s := selectNIC(filter, l.machine.NICs)
	l.report.NIC = &s
	l.exactlyOne(path, s, "port")
}

// loose names rules that can fit more than one device, where no inventory proves otherwise.
func (l *linter) loose(path string, filter map[string]string, exact []string, what string) {
	for k, pattern := range filter {
		wild := strings.ContainsAny(strings.NewReplacer("[*]", "", "[?]", "", "[[]", "").Replace(pattern), "*?[")
		if wild {
			l.add(Risky, path+"."+k, "the pattern %q can fit more than one %s; write an exact value, or prove it with --inventory", pattern, what)
		} else if !slices.Contains(exact, k) {
			l.add(Risky, path+"."+k, "more than one %s can have this value; name it by %s, or prove it with --inventory", what, exact[0])
		}
	}
}

func (l *linter) exactlyOne(path string, s Selection, what string) {
	switch len(s.Fitting) {
	case 1:
		l.add(Note, path, "fits exactly one %s of this machine: %s", what, describe(s.Fitting[0]))
	case 0:
		l.add(Wrong, path, "fits no %s of this machine; the installation would stop", what)
	default:
		names := make([]string, len(s.Fitting))
		for i, d := range s.Fitting {
			names[i] = describe(d)
		}
		l.add(Wrong, path, "fits %d %ss of this machine (%s), and the installer would take %s; name one by its %s", len(s.Fitting), what, strings.Join(names, ", "), taken(s), map[string]string{"port": "hardware address", "disk": "serial"}[what])
	}
}

func describe(d Device) string {
	for _, k := range []string{"ID_SERIAL_SHORT", "ID_SERIAL", "ID_NET_NAME_MAC"} {
		if v := d.Properties[k]; v != "" {
			return d.Name + " (" + v + ")"
		}
	}
	return d.Name
}

func taken(s Selection) string {
	names := make([]string, len(s.Taken))
	for i, d := range s.Taken {
		names[i] = d.Name
	}
	return strings.Join(names, " and ")
}

// minimumDisks of each RAID level; the installer checks it since 9.0.
var minimumDisks = map[string]int{"raid0": 1, "raid1": 2, "raid10": 4, "raidz-1": 3, "raidz-2": 4, "raidz-3": 5}

func (l *linter) disks() {
	fs := l.doc.text("disk-setup.filesystem")
	list, filter := l.doc.list("disk-setup.disk-list"), l.doc.get("disk-setup.filter")
	single := fs == "ext4" || fs == "xfs"
	l.options(fs)
	switch {
	case len(list) == 0 && filter == nil:
		l.add(Wrong, "disk-setup", "has neither disk-list nor filter; name the disk by its serial: filter.ID_SERIAL_SHORT")
		return
	case len(list) > 0 && filter != nil:
		l.add(Wrong, l.doc.written("disk-setup.disk-list"), "and filter exclude each other; keep the filter")
		return
	}
	if len(list) > 0 {
		l.diskList(list, single)
	}
	props := map[string]string{}
	match := l.doc.text("disk-setup.filter-match")
	if filter != nil {
		props = l.patterns("disk-setup.filter", diskProperties)
		l.filterMatch(match, single, len(props))
		if len(props) == 0 {
			l.add(Wrong, "disk-setup.filter", "is empty; name the disk, such as ID_SERIAL_SHORT = \"S649NX0R123456\"")
			return
		}
	}
	if l.machine == nil {
		if filter != nil {
			l.loose("disk-setup.filter", props, []string{"ID_SERIAL_SHORT", "ID_SERIAL", "ID_WWN", "ID_WWN_WITH_EXTENSION"}, "disk")
		}
		return
	}
	s := selectDisks(fs, list, props, match, l.machine.Disks)
	l.report.Disks = &s
	l.proveDisks(fs, s, filter != nil)
}

// options refuses tables of another file system, and wants the RAID level where there is one.
func (l *linter) options(fs string) {
	own := map[string]string{"ext4": "lvm", "xfs": "lvm", "zfs": "zfs", "btrfs": "btrfs"}[fs]
	for _, t := range []string{"lvm", "zfs", "btrfs"} {
		if l.doc.get("disk-setup."+t) != nil && t != own && own != "" {
			l.add(Wrong, "disk-setup."+t, "does not belong to filesystem %s; the installer stops at it", fs)
		}
	}
	if (fs == "zfs" || fs == "btrfs") && l.doc.text("disk-setup."+fs+".raid") == "" {
		l.add(Wrong, "disk-setup."+fs+".raid", "is missing; write raid0 for one disk")
	}
}

func (l *linter) diskList(list []string, single bool) {
	at := l.doc.written("disk-setup.disk-list")
	if single && len(list) > 1 {
		l.add(Wrong, at, "has %d disks; this file system takes one", len(list))
	}
	seen := map[string]bool{}
	for _, name := range list {
		if seen[name] {
			l.add(Wrong, at, "%q stands here twice", name)
		}
		seen[name] = true
		if strings.Contains(name, "/") {
			l.add(Wrong, at, "%q is a path; names are compared with the end of /dev/..., and nothing below /dev/disk is known: use filter.ID_SERIAL", name)
		}
	}
	l.add(Risky, at, "disks are named as the kernel counts them, and another disk may have the name next time; use filter.ID_SERIAL_SHORT with the serial")
}

func (l *linter) filterMatch(match string, single bool, properties int) {
	at := l.doc.written("disk-setup.filter-match")
	if match != "" && single {
		l.add(Note, at, "has no effect with this file system: the first disk that fits any line is taken")
	}
	if match == "all" && !single {
		l.add(Risky, at, "with all, a disk that lacks a property counts as fitting; write any with one exact serial")
	}
	if single && properties > 1 && match == "all" {
		l.add(Risky, "disk-setup.filter", "the lines are alternatives here, not conditions")
	}
}

func (l *linter) proveDisks(fs string, s Selection, byFilter bool) {
	path := "disk-setup.filter"
	if !byFilter {
		path = l.doc.written("disk-setup.disk-list")
	}
	for _, name := range s.Missing {
		l.add(Wrong, path, "%q fits no disk of this machine, and the installer may pass over it silently", name)
	}
	if fs == "ext4" || fs == "xfs" {
		if len(s.Missing) == 0 {
			l.exactlyOne(path, s, "disk")
		}
		return
	}
	raid := l.doc.text("disk-setup." + fs + ".raid")
	want := minimumDisks[raid]
	switch n := len(s.Taken); {
	case n == 0:
		l.add(Wrong, path, "fits no disk of this machine; the installation would stop")
	case n < want:
		l.add(Wrong, path, "fits %d disks, %s needs at least %d", n, raid, want)
	case raid == "raid0" && n > 1:
		l.add(Wrong, path, "fits %d disks (%s), and all of them would be erased; name one by its serial", n, taken(s))
	case raid == "raid10" && n%2 == 1:
		l.add(Wrong, path, "fits %d disks; raid10 needs an even number", n)
	default:
		l.add(Note, path, "erases exactly: %s", taken(s))
	}
	if len(s.Fitting) > len(s.Taken) {
		l.add(Risky, path, "a name fits more than one disk, because only the end of the path is compared")
	}
}

func (l *linter) rest() {
	mode, onError := l.doc.text("global.reboot-mode"), l.doc.get("global.reboot-on-error")
	if onError == true && mode != "power-off" {
		l.add(Risky, l.doc.written("global.reboot-on-error"), "with reboot, a failing installation starts again without end; add reboot-mode = \"power-off\"")
	}
	if l.doc.get("first-boot") != nil {
		if l.doc.text("first-boot.source") == "" {
			l.add(Wrong, "first-boot.source", "is missing; write from-iso or from-url")
		}
		if l.doc.text("first-boot.source") == "from-url" && l.doc.text("first-boot.url") == "" {
			l.add(Wrong, "first-boot.url", "is missing; from-url needs it")
		}
	}
	if l.doc.get("post-installation-webhook") != nil && l.doc.text("post-installation-webhook.url") == "" {
		l.add(Wrong, "post-installation-webhook.url", "is missing")
	}
	swap, okS := l.doc.get("disk-setup.lvm.swapsize").(int64)
	size, okH := l.doc.get("disk-setup.lvm.hdsize").(int64)
	if okS && okH && l.v >= V90 && swap*2 > size {
		l.add(Wrong, "disk-setup.lvm.swapsize", "%d GiB is more than half of hdsize %d GiB", swap, size)
	}
}
