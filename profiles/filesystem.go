package profiles

import (
	"fmt"
	"slices"
)

// FileSystem is a file system that the installer puts on the root disk.
type FileSystem struct {
	Name    string
	Single  bool   // takes one disk: the first that fits any line of a filter
	Options string // table of an answer with its options
	Raid    []Raid // levels it can have, the one for one disk first; none: no such key
	Storage string // what the installer makes on it for guests
	Members Members
}

// Members says which devices a mount of a file system lies on.
type Members string

// Kinds of members.
const (
	MembersMount Members = "the mount's"  // it names the one device, or what the kernel made of several
	MembersSys   Members = "the kernel's" // it names one of those that the kernel lists below /sys/fs/NAME
	MembersPool  Members = "the pool's"   // it names a pool, of which zpool knows the devices
)

// Raid is one level of redundancy.
type Raid struct {
	Name string // as an answer writes it
	Min  int    // disks that it needs
	Even bool   // takes an even number only
}

// FileSystems is the table, the default first.
func FileSystems() []FileSystem {
	raid0, raid1, raid10 := Raid{"raid0", 1, false}, Raid{"raid1", 2, false}, Raid{"raid10", 4, true}
	return []FileSystem{
		{Name: "ext4", Single: true, Options: "lvm", Storage: "local-lvm", Members: MembersMount},
		{Name: "xfs", Single: true, Options: "lvm", Storage: "local-lvm", Members: MembersMount},
		{Name: "zfs", Options: "zfs", Storage: "local-zfs", Members: MembersPool, Raid: []Raid{raid0, raid1, raid10, {"raidz-1", 3, false}, {"raidz-2", 4, false}, {"raidz-3", 5, false}}},
		{Name: "btrfs", Options: "btrfs", Storage: "local-btrfs", Members: MembersSys, Raid: []Raid{raid0, raid1, raid10}},
	}
}

// FileSystemOf is the row of a name.
func FileSystemOf(name string) (FileSystem, bool) {
	return rowOf(FileSystems(), func(f FileSystem) bool { return f.Name == name })
}

// Layout is what install.filesystem may say: a file system on one disk, or as a
// mirror of two.
type Layout struct {
	Name string // as the installer's own screen calls it
	FileSystem
	Level Raid // of no name where the file system has none
}

// mirror is the level that two disks can have.
const mirror = "raid1"

// Mirror reports whether the system lies on two disks, each of which is enough.
func (l Layout) Mirror() bool { return l.Level.Name == mirror }

// Layouts is the table, the default first.
func Layouts() []Layout {
	var one, two []Layout
	for _, f := range FileSystems() {
		l := Layout{Name: f.Name, FileSystem: f}
		for i, r := range f.Raid {
			if i == 0 {
				l.Level = r
			}
			if r.Name == mirror {
				two = append(two, Layout{fmt.Sprintf("%s (%s)", f.Name, r.Name), f, r})
			}
		}
		one = append(one, l)
	}
	return append(one, two...)
}

// LayoutOf is the row of a name.
func LayoutOf(name string) (Layout, bool) {
	return rowOf(Layouts(), func(l Layout) bool { return l.Name == name })
}

// Mirrored reports whether the system of each node lies on two disks.
func (p *Profile) Mirrored() bool {
	l, _ := LayoutOf(p.Install.Filesystem)
	return l.Mirror()
}

func layoutNames(which func(Layout) bool) []string {
	return wordsOf(slices.DeleteFunc(Layouts(), func(l Layout) bool { return !which(l) }), func(l Layout) string { return l.Name })
}

func anyLayout(Layout) bool { return true }

// BesideDisks are the disks on which OSDs keep a part of themselves, as far as
// they are named.
func (n Node) BesideDisks() []DiskName {
	return slices.DeleteFunc([]DiskName{n.DBDisk, n.WALDisk}, DiskName.IsZero)
}
