package rehearsal

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// free returns the memory that programs can still have, in MiB, and the room
// in a directory, in bytes; 0 where it cannot be known.
func free(dir string) (mib int, bytes int64) {
	text, _ := os.ReadFile("/proc/meminfo") //nolint:errcheck // then it is not known
	for line := range strings.Lines(string(text)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 { //nolint:errcheck
			mib = kib >> 10
		}
	}
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil {
		bytes = int64(fs.Bavail) * fs.Bsize
	}
	return mib, bytes
}
