package host

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// usual gives a process that was just started the place that programs have:
// the agent's own is a better one, because it keeps the ring while a node is
// short of memory or time, and what it starts does not. It may be gone already.
func usual(pid int) {
	at := "/proc/" + strconv.Itoa(pid) + "/oom_score_adj"
	if own, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil && strings.TrimSpace(string(own)) != "0" {
		_ = os.WriteFile(at, []byte("0"), 0)
	}
	if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil && nice > niceZero {
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, 0)
	}
}

// niceZero is what the system call answers for nice 0: it returns 20 less the
// nice value (getpriority(2)).
const niceZero = 20
