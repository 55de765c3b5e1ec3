package preflight

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// deviceName is what a disk is called by the kernel.
var deviceName = regexp.MustCompile(`^[a-z][a-z0-9]{1,30}$`)

// Aim makes an answer name the disks that were proven, by the names that the
// kernel gave them in this boot, in place of whatever it said of disks before.
// The answer is one that mkimage wrote, line by line; what else it says stays.
func Aim(answer []byte, disks ...string) ([]byte, error) {
	for _, disk := range disks {
		if !deviceName.MatchString(disk) {
			return nil, fmt.Errorf("%q is no name of a disk", disk)
		}
	}
	const setup, filter = "[disk-setup]", "[disk-setup.filter]"
	var out strings.Builder
	table, aimed := "", 0
	for line := range strings.Lines(strings.TrimRight(string(answer), "\n\x00")) {
		word := strings.TrimSpace(line)
		if strings.HasPrefix(word, "[") && !strings.Contains(word, "=") {
			table = word
		}
		key, _, _ := strings.Cut(word, "=")
		key = strings.TrimSpace(key)
		switch {
		case table == filter,
			table == setup && (key == "disk-list" || key == "filter-match" || strings.HasPrefix(key, "filter.") || key == "filter"):
			continue
		}
		out.WriteString(strings.TrimRight(line, "\n") + "\n")
		if word == setup {
			fmt.Fprintf(&out, "disk-list = [\"%s\"]\n", strings.Join(disks, `", "`))
			aimed++
		}
	}
	if aimed != 1 {
		return nil, errors.New("it has no table disk-setup that mkimage wrote: make the medium again")
	}
	return []byte(out.String()), nil
}
