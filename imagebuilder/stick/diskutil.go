package stick

import (
	"fmt"
	"slices"
	"strings"

	"howett.net/plist"
)

// diskutilList is what "diskutil list -plist" says, as far as it is read.
type diskutilList struct {
	WholeDisks            []string
	AllDisksAndPartitions []struct {
		DeviceIdentifier string
		OSInternal       bool
		MountPoint       string
		Partitions       []diskutilPart
		APFSVolumes      []diskutilPart
		// The disks that carry an APFS container.
		APFSPhysicalStores []struct{ DeviceIdentifier string }
	}
}

type diskutilPart struct {
	DeviceIdentifier string
	MountPoint       string
}

// diskutilInfo is what "diskutil info -plist DISK" says, as far as it is read.
type diskutilInfo struct {
	DeviceIdentifier               string
	DeviceNode                     string
	TotalSize                      int64
	MediaName                      string
	BusProtocol                    string
	Internal                       bool
	WritableMedia                  bool
	RemovableMediaOrExternalDevice bool
	RemovableMedia                 bool
	VirtualOrPhysical              string
}

// parseDiskutilList returns the names of the whole disks, and for each where it
// or anything on it is mounted. A mounted APFS container counts for the disk
// that carries it.
func parseDiskutilList(text []byte) (disks []string, mounted map[string][]string, err error) {
	var list diskutilList
	if _, err := plist.Unmarshal(text, &list); err != nil {
		return nil, nil, fmt.Errorf("diskutil list: %w", err)
	}
	mounted = map[string][]string{}
	for _, d := range list.AllDisksAndPartitions {
		carriers := []string{d.DeviceIdentifier}
		for _, store := range d.APFSPhysicalStores {
			carriers = append(carriers, wholeOf(store.DeviceIdentifier))
		}
		where := []string{d.MountPoint}
		for _, p := range slices.Concat(d.Partitions, d.APFSVolumes) {
			where = append(where, p.MountPoint)
		}
		for _, w := range where {
			if w == "" {
				continue
			}
			for _, c := range carriers {
				mounted[c] = append(mounted[c], w)
			}
		}
	}
	return list.WholeDisks, mounted, nil
}

// wholeOf is disk0 of disk0s2.
func wholeOf(identifier string) string {
	digits := strings.TrimPrefix(identifier, "disk")
	if s := strings.IndexByte(digits, 's'); s >= 0 {
		digits = digits[:s]
	}
	return "disk" + digits
}

// parseDiskutilInfo makes a device of what diskutil says about one disk.
func parseDiskutilInfo(text []byte, mounted []string) (Device, error) {
	var is diskutilInfo
	if _, err := plist.Unmarshal(text, &is); err != nil {
		return Device{}, fmt.Errorf("diskutil info: %w", err)
	}
	if is.DeviceNode == "" {
		return Device{}, fmt.Errorf("diskutil info: no device is named")
	}
	d := Device{
		Path: is.DeviceNode, Size: is.TotalSize, Model: strings.TrimSpace(is.MediaName),
		Bus:       strings.ToLower(is.BusProtocol),
		Removable: (is.RemovableMediaOrExternalDevice || is.RemovableMedia) && !is.Internal || is.RemovableMedia && is.BusProtocol == "Secure Digital",
		ReadOnly:  !is.WritableMedia,
	}
	if is.VirtualOrPhysical == "Virtual" {
		d.Removable = false
		d.InUse = []string{"a container or disk image of macOS"}
	}
	for _, where := range mounted {
		if where == "/" || strings.HasPrefix(where, "/System/Volumes/") {
			d.System = true
			d.Mounted = append(d.Mounted, where)
		}
		// What macOS mounted by itself below /Volumes is unmounted before writing.
	}
	return d, nil
}
