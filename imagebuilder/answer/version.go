// Package answer writes answer files for the unattended installer of Proxmox
// VE, one dialect per version of the ISO, and checks anyone's answer file.
//
// It is pure: text and an inventory in, text and findings out. What the
// installer would select on a machine it computes as the installer does,
// weaknesses included; it never decides for it.
package answer

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a release of Proxmox VE: 902 is 9.2. Releases are ordered.
type Version int

// The releases whose installers differ in what they read.
const (
	V82 Version = 802
	V83 Version = 803
	V84 Version = 804
	V90 Version = 900
	V91 Version = 901
	V92 Version = 902
)

var versionForm = regexp.MustCompile(`^([0-9]+)\.([0-9]+)(-[0-9]+)?$`)

// ParseVersion reads "9.2" or "9.2-1".
func ParseVersion(s string) (Version, error) {
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("version %q is not of the form 9.2 or 9.2-1", s)
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	v := Version(major*100 + minor)
	if v < V82 {
		return 0, fmt.Errorf("version %s has no unattended installer; the first that has one is 8.2", v)
	}
	if v >= 1000 {
		return 0, fmt.Errorf("version %s is not known; this program knows 8.2 to 9.x", v)
	}
	return v, nil
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", int(v)/100, int(v)%100) }
