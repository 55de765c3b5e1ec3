package crash

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ringboot/rehearsal/disk"
)

// Files is what each file on a disk holds, but of those that a reboot clears. A torn
// temporary file may stay behind; it has another name.
func Files(d *disk.Disk) map[string]string {
	out := map[string]string{}
	for p, n := range d.Live {
		if n.Mode.IsRegular() && !strings.HasPrefix(p, "/run/") && !strings.HasPrefix(path.Base(p), ".") {
			out[p] = string(n.Text())
		}
	}
	return out
}

// Picture is everything on a disk but the paths that skip names, with all that is
// below them: by path, mode and content. Two equal pictures are two equal
// outcomes. Left-over temporary files of atomic writes are no part of one, and
// neither are times.
func Picture(d *disk.Disk, skip ...string) map[string]string {
	out := map[string]string{}
	for p, n := range d.Live {
		left := slices.ContainsFunc(skip, func(s string) bool { return p == s || strings.HasPrefix(p, s+"/") })
		if !left && !strings.HasSuffix(p, tempSuffix) {
			out[p] = n.Mode.String() + " " + n.Target + string(n.Text())
		}
	}
	return out
}

// Written is a picture in which also what was written again as it was differs.
func Written(d *disk.Disk) map[string]string {
	out := Picture(d)
	for p, n := range d.Live {
		out[p] += fmt.Sprint(" ", n.Turn)
	}
	return out
}
