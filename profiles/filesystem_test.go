package profiles

import (
	"slices"
	"testing"

	"ringboot/profiles/spelling"
)

// A file system that lacks a column would be written into an answer without
// its options, or refused where it is right.
func TestEveryFileSystemIsAWholeRow(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range FileSystems() {
		if f.Name == "" || f.Options == "" || seen[f.Name] {
			t.Errorf("the row of %q lacks its name or the table of its options, or is a second one", f.Name)
		}
		seen[f.Name] = true
		if f.Storage == "" || spelling.Pool(f.Storage) == "" {
			t.Errorf("%s: the installer's storage %q is none, or a name that a pool can have: spelling/names.go knows those that are taken", f.Name, f.Storage)
		}
		if !slices.Contains([]Members{MembersMount, MembersSys, MembersPool}, f.Members) {
			t.Errorf("%s: how the disks below a mount are found (%q) is nothing that firstboot/ticket and firstboot/inventory can do", f.Name, f.Members)
		}
		if f.Single != (len(f.Raid) == 0) {
			t.Errorf("%s takes one disk and has levels of redundancy, or neither", f.Name)
		}
		for i, r := range f.Raid {
			if r.Name == "" || r.Min < 1 || i == 0 && r.Min != 1 {
				t.Errorf("%s: the level %q needs %d disks, and the first level is that for one", f.Name, r.Name, r.Min)
			}
		}
		if !slices.Contains(layoutNames(anyLayout), f.Name) {
			t.Errorf("%s cannot be named in a profile", f.Name)
		}
	}
}

// What a profile says is one file system and one level of it, and the mirrors
// are those that take exactly two disks.
func TestEveryLayoutIsAWholeRow(t *testing.T) {
	for _, l := range Layouts() {
		if of, ok := FileSystemOf(l.FileSystem.Name); !ok || of.Options != l.Options || l.Single != (l.Level.Name == "") {
			t.Errorf("%s is of no file system, or of one without its level: %+v", l.Name, l)
		}
		if l.Mirror() != (l.Level.Min == 2) || l.Mirror() == (l.Name == l.FileSystem.Name) {
			t.Errorf("%s: a mirror is of two disks and says so: %+v", l.Name, l)
		}
	}
	if got := layoutNames(Layout.Mirror); !slices.Equal(got, []string{"zfs (raid1)", "btrfs (raid1)"}) {
		t.Errorf("mirrors are %v", got)
	}
}
