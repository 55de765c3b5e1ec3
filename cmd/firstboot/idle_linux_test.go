package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/rehearsal/need"
)

// cpu is the processor time that a process has used.
func cpu(b testing.TB, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	// proc_pid_stat(5): after the name in brackets, utime and stime are the
	// 12th and 13th field, in ticks of 10 ms.
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// switches is how often the threads of a process went to sleep by themselves.
func switches(b testing.TB, pid int) int {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, task := range tasks {
		text, _ := os.ReadFile(task) // a thread that ended has none
		for line := range strings.Lines(string(text)) {
			if n, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				count, _ := strconv.Atoi(strings.TrimSpace(n))
				sum += count
			}
		}
	}
	return sum
}

// rss is a process's resident memory in MiB.
func rss(b testing.TB, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// neighbour is one agent as it is shipped, in a network and a directory of its own.
type neighbour struct {
	root  string
	cmd   *exec.Cmd
	start io.WriteCloser
	said  chan struct{} // closed when it has said its last word
}

// settle makes the room's namespaces. The agent starts when start is closed.
func settle(b testing.TB, root, node string) *neighbour {
	b.Helper()
	const script = `set -e
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
hostname "$2"
ip link set lo up
echo ready
cat >/dev/null
exec chroot "$1" /firstboot run`
	n := &neighbour{root: root, said: make(chan struct{})}
	n.cmd = exec.Command("unshare", "--net", "--mount", "--uts", "sh", "-c", script, "sh", root, node)
	start, err := n.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	n.start = start
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("the namespaces of %s: %q, %v", node, line, err)
	}
	go func() { io.Copy(io.Discard, lines); close(n.said) }()
	return n
}

// ip runs ip(8) in the neighbour's network.
func (n *neighbour) ip(b testing.TB, line string) {
	b.Helper()
	args := append([]string{"--net", "--target", strconv.Itoa(n.cmd.Process.Pid), "ip"}, strings.Fields(line)...)
	if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
		b.Fatalf("ip %s: %v: %s", line, err, out)
	}
}

// readStatus asks the agent as root does on the node.
func (n *neighbour) status(b testing.TB) (s status.Status) {
	b.Helper()
	var out strings.Builder
	if run(b.Context(), []string{"status", "--json", "--root", n.root}, strings.NewReader(""), &out, io.Discard) != nil {
		return s // it does not answer yet
	}
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// wire joins the three by a ring of cables and by a bridge in the first one's network.
func wire(b testing.TB, all []*neighbour) {
	b.Helper()
	all[0].ip(b, "link add lan0 type bridge")
	all[0].ip(b, "link set lan0 up")
	for i, n := range all {
		next := all[(i+1)%len(all)]
		n.ip(b, fmt.Sprintf("link add rba type veth peer name rbb netns %d", next.cmd.Process.Pid))
		if i > 0 {
			n.ip(b, fmt.Sprintf("link add lan0 type veth peer name port%d netns %d", i, all[0].cmd.Process.Pid))
			all[0].ip(b, fmt.Sprintf("link set port%d master lan0 up", i))
			n.ip(b, "link set lan0 up")
		}
		n.ip(b, fmt.Sprintf("addr add 10.203.3.%d/24 dev lan0", 11+i))
	}
}

// whole reports whether the ring is whole and all peers are trusted, in the eyes of one.
func whole(s status.Status) bool {
	for _, p := range s.Peers {
		if !p.Trusted.OK || !p.Seen.OK {
			return false
		}
	}
	return s.Ring.Whole && len(s.Peers) == 2
}

// BenchmarkResident measures what the agent costs a node that it only keeps:
// three nodes have found each other and their ring is whole, and nothing
// happens. No step goes further than the second, since nothing there is a
// Debian system; a node that is done looks at its steps more seldom.
func BenchmarkResident(b *testing.B) {
	need.Root(b)
	need.Tools(b, "unshare:util-linux", "nsenter:util-linux", "ip:iproute2", "chroot:coreutils", "go")
	for b.Loop() {
		pki, agent := keys(b), build(b, b.TempDir())
		info, err := os.Stat(agent)
		if err != nil {
			b.Fatal(err)
		}
		var all []*neighbour
		for _, node := range []string{"frege", "russell", "wittgenstein"} {
			root := room(b, pki, node)
			if err := os.Link(agent, filepath.Join(root, "firstboot")); err != nil {
				b.Fatal(err)
			}
			all = append(all, settle(b, root, node))
		}
		wire(b, all)
		for _, n := range all {
			n.start.Close()
		}
		n := all[1]
		deadline := time.Now().Add(time.Minute)
		for !whole(n.status(b)) {
			if time.Now().After(deadline) {
				b.Fatalf("not whole within a minute: %+v", n.status(b))
			}
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(quiet) // past the quick rounds of its first minute
		const window = 60 * time.Second
		before, slept := cpu(b, n.cmd.Process.Pid), switches(b, n.cmd.Process.Pid)
		time.Sleep(window)
		used := cpu(b, n.cmd.Process.Pid) - before
		slept = switches(b, n.cmd.Process.Pid) - slept
		memory := rss(b, n.cmd.Process.Pid)
		if !whole(n.status(b)) {
			b.Errorf("not whole after all: %+v", n.status(b))
		}
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Fatal(err)
		}
		at := time.Now()
		<-n.said
		if err := n.cmd.Wait(); err != nil {
			b.Errorf("the agent ended with %v", err)
		}
		need.Figure("agent.stop_s", time.Since(at).Seconds(), "s")
		need.Figure("agent.rss_mib", memory, "mib")
		need.Figure("agent.idle_cpu_percent", 100*used.Seconds()/window.Seconds(), "percent")
		need.Figure("agent.idle_wakeups", float64(slept)/window.Seconds(), "per_s")
		need.Figure("agent.binary_mib", float64(info.Size())/(1<<20), "mib")
	}
}

// quiet is how long after their start agents find nothing new any more.
const quiet = 100 * time.Second
