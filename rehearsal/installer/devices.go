package installer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Device is one disk or NIC with its udev properties.
type Device struct {
	Index      string // its place in the list of all, as text
	Name       string // /dev/sda, or enp1s0
	Properties map[string]string
}

// parseUdev reads "udevadm info --export-db": paragraphs of lines "E: KEY=VALUE".
func parseUdev(export string) []map[string]string {
	var all []map[string]string
	for paragraph := range strings.SplitSeq(export, "\n\n") {
		properties := map[string]string{}
		for line := range strings.Lines(paragraph) {
			if assignment, found := strings.CutPrefix(strings.TrimRight(line, "\n"), "E: "); found {
				key, value, _ := strings.Cut(assignment, "=")
				properties[key] = value
			}
		}
		if len(properties) > 0 {
			all = append(all, properties)
		}
	}
	return all
}

// never are kernel names of block devices that are no candidates.
var never = regexp.MustCompile(`^(ram|loop|md|dm-|fd|sr)`)

// disks returns the candidates for a system disk. Optical drives and whatever
// carries an ISO 9660 file system (the medium itself) are none.
func disks(properties []map[string]string) []Device {
	return enumerate(properties, func(p map[string]string) (string, bool) {
		name := strings.TrimPrefix(p["DEVNAME"], "/dev/")
		if p["SUBSYSTEM"] != "block" || p["DEVTYPE"] != "disk" || never.MatchString(name) {
			return "", false
		}
		return p["DEVNAME"], p["ID_CDROM"] == "" && p["ID_FS_TYPE"] != "iso9660"
	})
}

// nics returns the network cards: devices of a bus, no loopback.
func nics(properties []map[string]string) []Device {
	return enumerate(properties, func(p map[string]string) (string, bool) {
		return p["INTERFACE"], p["SUBSYSTEM"] == "net" && p["INTERFACE"] != "lo" && !strings.Contains(p["DEVPATH"], "/virtual/")
	})
}

func enumerate(properties []map[string]string, pick func(map[string]string) (string, bool)) []Device {
	var found []Device
	for _, p := range properties {
		if name, ok := pick(p); ok {
			found = append(found, Device{Name: name, Properties: p})
		}
	}
	slices.SortFunc(found, func(a, b Device) int { return strings.Compare(a.Name, b.Name) })
	for i := range found {
		found[i].Index = fmt.Sprint(i)
	}
	// Walked in the order of the index as text: 0, 1, 10, 2.
	slices.SortStableFunc(found, func(a, b Device) int { return strings.Compare(a.Index, b.Index) })
	return found
}

// pickFiltered returns the first device that any entry of the filter fits.
// That is as dangerous as it is in the real installer: an entry that fits
// several disks takes whichever comes first, and a second entry widens.
func pickFiltered(devices []Device, filter map[string]string) (Device, bool) {
	for _, d := range devices {
		for key, pattern := range filter {
			if value, has := d.Properties[key]; has && globMatches(pattern, value) {
				return d, true
			}
		}
	}
	return Device{}, false
}

// pickNamed returns the first device whose path ends with the name.
func pickNamed(devices []Device, name string) (Device, bool) {
	for _, d := range devices {
		if strings.HasSuffix(d.Name, name) {
			return d, true
		}
	}
	return Device{}, false
}

// systemDisks returns the disks that the answer takes: one for ext4 and xfs.
func systemDisks(devices []Device, a Answer) ([]Device, error) {
	var found []Device
	switch {
	case a.Filesystem == "zfs":
		return nil, errors.New("unable to load zfs kernel module: the practice system has none: set install.filesystem to another one for a rehearsal")
	case a.Filesystem == "btrfs":
		if found = several(devices, a); len(found) < raidDisks[a.Raid] {
			return nil, fmt.Errorf("btrfs (%s): need at least %d devices, found %d", a.Raid, raidDisks[a.Raid], len(found))
		}
		return found, nil
	case len(a.DiskList) > 0:
		if d, ok := pickNamed(devices, a.DiskList[0]); ok {
			return []Device{d}, nil
		}
		return nil, fmt.Errorf("disk in 'disk-list' not found: %s", a.DiskList[0])
	}
	if d, ok := pickFiltered(devices, a.DiskFilter); ok {
		return []Device{d}, nil
	}
	var names []string
	for _, d := range devices {
		names = append(names, fmt.Sprintf("%s (ID_SERIAL_SHORT %s)", d.Name, d.Properties["ID_SERIAL_SHORT"]))
	}
	return nil, fmt.Errorf("no disks match filter %v; the disks are %s", a.DiskFilter, strings.Join(names, ", "))
}

// raidDisks is how many disks each level needs.
var raidDisks = map[string]int{"raid0": 1, "raid1": 2, "raid10": 4, "raidz-1": 3, "raidz-2": 4, "raidz-3": 5}

// several returns the disks of a system on more than one. Names that fit no
// disk are skipped without a word, and a disk without a property fits a filter
// of which all entries must fit.
func several(devices []Device, a Answer) []Device {
	var found []Device
	for _, name := range a.DiskList {
		if d, ok := pickNamed(devices, name); ok {
			found = append(found, d)
		}
	}
	if len(a.DiskList) > 0 {
		return found
	}
	for _, d := range devices {
		fits, hurts := false, false
		for key, pattern := range a.DiskFilter {
			value, has := d.Properties[key]
			fits = fits || has && globMatches(pattern, value)
			hurts = hurts || has && !globMatches(pattern, value)
		}
		if a.DiskFilterSecond == "all" && !hurts || a.DiskFilterSecond != "all" && fits {
			found = append(found, d)
		}
	}
	return found
}

// globMatches reports whether a shell pattern of *, ?, and [...] fits a whole
// text. Unlike in file names * also stands for slashes.
func globMatches(pattern, text string) bool {
	var b strings.Builder
	b.WriteString("^(?s:")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteString(".")
		case '[':
			end := strings.IndexByte(pattern[min(i+2, len(pattern)):], ']')
			if end < 0 {
				return false // an open class is an error, and fits nothing
			}
			class := pattern[i+1 : i+2+end]
			i += 2 + end
			negated := strings.HasPrefix(class, "!")
			class = strings.TrimPrefix(class, "!")
			b.WriteString("[")
			if negated {
				b.WriteString("^")
			}
			b.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(class) + "]")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile(b.String() + ")$")
	return err == nil && re.MatchString(text)
}
