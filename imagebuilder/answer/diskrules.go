package answer

import (
	"regexp"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/pick"
)

const (
	diskFilter = "disk-setup.filter"
	diskSerial = "ID_SERIAL_SHORT"
)

// disks checks which disks the installer would take, and what it does to them.
func (l *linter) disks() {
	name := l.doc.text("disk-setup.filesystem")
	fs, known := profiles.FileSystemOf(name)
	if known {
		l.options(fs)
	}
	list := l.doc.list("disk-setup.disk-list")
	raw, _ := l.doc.get(diskFilter).(map[string]any)
	switch {
	case len(list) == 0 && len(raw) == 0:
		if _, there := l.doc.get(diskFilter).(map[string]any); there {
			l.add(Wrong, diskFilter, "is empty; name the disk, such as ID_SERIAL_SHORT = \"S649NX0R123456\"")
		} else {
			l.add(Wrong, "disk-setup", "has neither disk-list nor filter; name the disk by its serial: filter.ID_SERIAL_SHORT")
		}
		return
	case len(list) > 0 && len(raw) > 0:
		l.add(Wrong, l.doc.written("disk-setup.disk-list"), "and filter exclude each other; keep the filter")
		return
	}
	raid := l.raid(fs)
	match := l.doc.text("disk-setup.filter-match")
	var props map[string]string
	if len(list) > 0 {
		l.diskList(list, fs, raid)
	} else {
		props = l.patterns(diskFilter, diskProperties)
		l.filterMatch(match, fs, len(props))
	}
	if !known {
		return
	}
	if l.machine == nil || l.machine.Disks == nil {
		if len(list) == 0 {
			l.looseDisk(fs, raid, props)
		}
		l.unproven(diskFilter, "disks")
		return
	}
	s := pick.Disks(fs.Single, list, props, match, l.machine.Disks)
	l.report.Disks = &s
	l.proveDisks(fs, raid, s, len(list) == 0)
}

// raid is the level that the answer asks for; the zero value has no name.
func (l *linter) raid(fs profiles.FileSystem) profiles.Raid {
	level := strings.ToLower(l.doc.text("disk-setup." + fs.Options + ".raid"))
	for _, r := range fs.Raid {
		if r.Name == level {
			return r
		}
	}
	return profiles.Raid{}
}

// options refuses tables of another file system, and wants the RAID level where there is one.
func (l *linter) options(fs profiles.FileSystem) {
	seen := map[string]bool{}
	for _, other := range profiles.FileSystems() {
		if seen[other.Options] {
			continue
		}
		seen[other.Options] = true
		if l.doc.get("disk-setup."+other.Options) != nil && other.Options != fs.Options {
			l.add(Wrong, "disk-setup."+other.Options, "does not belong to filesystem %s; the installer stops at it", fs.Name)
		}
	}
	if len(fs.Raid) > 0 && l.doc.get("disk-setup."+fs.Options+".raid") == nil {
		l.add(Wrong, "disk-setup."+fs.Options+".raid", "is missing; write raid1 for a mirror of two disks, %s for one disk", fs.Raid[0].Name)
	}
}

// Names of disks that the installer can make partitions on; it compares the end
// of /dev/NAME with what the list has.
var (
	diskName    = regexp.MustCompile(`^((s|h|v|xv|e)d[a-z]{1,3}|nvme[0-9]+n[0-9]+|c[0-9]+d[0-9]+|d[0-9]+)$`)
	endOfAName  = regexp.MustCompile(`^[a-z0-9!]+$`)
	mmcName     = regexp.MustCompile(`^(/?dev/)?mmcblk[0-9]+$`)
	partitionOf = regexp.MustCompile(`^(/?dev/)?((s|h|v|xv)d[a-z]+[0-9]+|(nvme[0-9]+n[0-9]+|mmcblk[0-9]+)p[0-9]+)$`)
)

const noEMMC = "the installer has no name for the partitions of eMMC and SD cards, and dies after it has wiped the disk; take an NVMe or SATA disk"

func (l *linter) diskList(list []string, fs profiles.FileSystem, raid profiles.Raid) {
	at := l.doc.written("disk-setup.disk-list")
	if fs.Single && len(list) > 1 {
		l.add(Wrong, at, "has %d disks; this file system takes one", len(list))
	}
	if len(list) < raid.Min {
		l.add(Wrong, at, "has %s, and %s needs at least %d", disks(len(list)), raid.Name, raid.Min)
	} else if raid.Even && len(list)%2 == 1 {
		l.later(at, "has %s; %s needs an even number", disks(len(list)), raid.Name)
	}
	seen := map[string]bool{}
	for _, name := range list {
		if seen[name] {
			l.add(Wrong, at, "%q stands here twice", name)
		}
		seen[name] = true
		l.diskNamed(at, name)
	}
	l.add(Risky, at, "disks are named as the kernel counts them, and another disk may have the name next time; use filter.ID_SERIAL_SHORT with the serial")
}

func (l *linter) diskNamed(at, name string) {
	last := name[strings.LastIndexByte(name, '/')+1:]
	switch {
	case mmcName.MatchString(name):
		l.later(at, "%q: %s", name, noEMMC)
	case partitionOf.MatchString(name):
		l.later(at, "%q is a partition; the installer takes whole disks", name)
	case strings.HasPrefix(name, "/dev/disk/") || strings.HasPrefix(name, "/dev/mapper/"):
		l.later(at, "%q is a path; names are compared with the end of /dev/..., and nothing below /dev/disk is known: use filter.ID_SERIAL", name)
	case name == "":
		l.later(at, `holds "", which fits the first disk of all; name the disk`)
	case !strings.HasSuffix("/dev/"+last, name) || !endOfAName.MatchString(last):
		l.later(at, "%q is the end of no disk's name; write one such as nvme0n1", name)
	case strings.Contains(name, "/"):
		l.add(Note, at, "%q fits, because the end of the name is compared; %s is enough", name, last)
	case !diskName.MatchString(last) && l.machine == nil:
		l.add(Risky, at, "%q is the end of a name, and can fit more than one disk", name)
	}
}

func disks(n int) string {
	if n == 1 {
		return "1 disk"
	}
	return strings.Join([]string{itoa(n), "disks"}, " ")
}

func (l *linter) filterMatch(match string, fs profiles.FileSystem, properties int) {
	at := l.doc.written("disk-setup.filter-match")
	if match != "" && fs.Single {
		l.add(Note, at, "has no effect with this file system: the first disk that fits any line is taken")
	}
	if match == "all" && !fs.Single {
		l.add(Risky, at, "with all, a disk that lacks a property counts as fitting; write any with one exact serial")
	}
	if fs.Single && properties > 1 && match == "all" {
		l.add(Risky, diskFilter, "the lines are alternatives here, not conditions")
	}
}

// uniqueDisk are properties that one disk has; kernelDisk are the kernel's names.
var (
	uniqueDisk = []string{diskSerial, "ID_SERIAL", "ID_WWN", "ID_WWN_WITH_EXTENSION", "ID_PATH", "ID_SCSI_SERIAL", "ID_USB_SERIAL", "ID_USB_SERIAL_SHORT", "ID_PART_TABLE_UUID"}
	kernelDisk = []string{"DEVNAME", "DEVPATH", "DISKSEQ", "MINOR"}
	everyDisk  = map[string]string{"ID_TYPE": "disk", "DEVTYPE": "disk", "SUBSYSTEM": "block"}
)

// looseDisk names rules that can fit more than one disk, where no inventory
// proves otherwise. A file system that takes several disks erases all that fit.
func (l *linter) looseDisk(fs profiles.FileSystem, raid profiles.Raid, filter map[string]string) {
	remedy := "name it by " + diskSerial + ", or prove it with --inventory"
	if raid.Min > 1 {
		remedy = "name each disk in a line of its own, one by " + diskSerial + ", another by ID_WWN or ID_SERIAL, with filter-match any, or prove it with --inventory"
	}
	for _, k := range sorted(filter) {
		l.looseRule(fs, k, filter[k], remedy)
	}
	if raid.Min > 1 && len(filter) < raid.Min && !slices.ContainsFunc(sorted(filter), func(k string) bool { return wild(filter[k]) || !slices.Contains(uniqueDisk, k) }) {
		l.add(Risky, diskFilter, "names %s, and %s needs at least %d; the installation would stop", disks(len(filter)), raid.Name, raid.Min)
	}
}

// looseRule names what one rule fits besides.
func (l *linter) looseRule(fs profiles.FileSystem, k, pattern, remedy string) {
	at := join(diskFilter, k)
	all := everyDisk[k] != "" && pick.Match(pattern, everyDisk[k]) || strings.Trim(pattern, "*") == "" && pattern != ""
	switch {
	case all && !fs.Single:
		l.add(Risky, at, "DANGER: fits every disk, and with %s EVERY DISK OF THE MACHINE IS ERASED; %s", fs.Name, remedy)
	case all:
		l.add(Risky, at, "fits every disk, and the first is erased; %s", remedy)
	case wild(pattern) && !fs.Single:
		l.add(Risky, at, "the pattern %q can fit more than one disk, and with %s all fitting disks are erased; %s", pattern, fs.Name, remedy)
	case wild(pattern):
		l.add(Risky, at, "the pattern %q can fit more than one disk; write an exact value, or prove it with --inventory", pattern)
	case slices.Contains(kernelDisk, k):
		l.add(Risky, at, "is the kernel's name of a disk, and another disk may have it next time; name it by %s", diskSerial)
	case slices.Contains(uniqueDisk, k) || !slices.Contains(diskProperties, k): // the latter was said
	case !fs.Single:
		l.add(Risky, at, "more than one disk can have this value, and with %s all fitting disks are erased; %s", fs.Name, remedy)
	default:
		l.add(Risky, at, "more than one disk can have this value; %s", remedy)
	}
}

// proveOne checks a choice of which the installer takes the first.
func (l *linter) proveOne(path string, s Selection) {
	for _, name := range s.Missing {
		l.add(Wrong, path, "%q fits no disk of this machine; the installation would stop", name)
	}
	if len(s.Missing) == 0 {
		l.exactlyOne(path, s, "disk")
	}
}

func (l *linter) proveDisks(fs profiles.FileSystem, raid profiles.Raid, s Selection, byFilter bool) {
	path := diskFilter
	if !byFilter {
		path = l.doc.written("disk-setup.disk-list")
	}
	for _, d := range s.Taken {
		if strings.HasPrefix(d.Name, "/dev/mmcblk") {
			l.later(path, "takes %s: %s", d.Name, noEMMC)
		}
	}
	if fs.Single {
		l.proveOne(path, s)
		return
	}
	for _, name := range s.Missing {
		l.later(path, "%q fits no disk of this machine, and the installer passes over it silently", name)
	}
	switch n := len(s.Taken); {
	case n == 0:
		l.add(Wrong, path, "fits no disk of this machine; the installation would stop")
	case n < raid.Min:
		l.later(path, "fits %s, and %s needs at least %d", disks(n), raid.Name, raid.Min)
	case raid.Even && n%2 == 1:
		l.later(path, "fits %s; %s needs an even number", disks(n), raid.Name)
	case raid.Min == 1 && n > 1 && byFilter:
		l.later(path, "fits %s (%s), all of them would be erased, and losing one would lose everything; name one by its serial, or write raid1", disks(n), taken(s))
	default:
		l.add(Note, path, "erases exactly: %s", taken(s))
	}
	if len(s.Fitting) > len(s.Taken) {
		l.add(Risky, path, "a name fits more than one disk, because only the end of the path is compared")
	}
}
