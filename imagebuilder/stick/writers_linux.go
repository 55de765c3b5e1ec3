package stick

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// writers are the programs that have devices open for writing, by the path of
// the device. Who opens one without O_EXCL, as dd and virtual machines do, keeps
// nobody out, and the kernel tells nobody. Programs of other users are seen by
// root alone; this one is left out.
func writers(root string) map[string][]string {
	out := map[string][]string{}
	fds, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*/fd/*")) // what may not be looked at is not there
	for _, fd := range fds {
		device, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(device, "/dev/") {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		number := filepath.Base(process)
		if number == strconv.Itoa(os.Getpid()) || !opensToWrite(filepath.Join(process, "fdinfo", filepath.Base(fd))) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(process, "comm")) // it may have ended
		who := fmt.Sprintf("%s (process %s)", printable(strings.TrimSpace(string(name))), number)
		if !slices.Contains(out[device], who) {
			out[device] = append(out[device], who)
		}
	}
	return out
}

// accessMode are the bits of open(2)'s flags that say whether it reads or writes.
const accessMode = os.O_RDONLY | os.O_WRONLY | os.O_RDWR

// opensToWrite reads the flags of an open file (proc_pid_fdinfo(5)).
func opensToWrite(fdinfo string) bool {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return false // closed meanwhile
	}
	for line := range strings.Lines(string(text)) {
		if octal, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(octal), 8, 32)
			return err == nil && int(flags)&accessMode != os.O_RDONLY
		}
	}
	return false
}
