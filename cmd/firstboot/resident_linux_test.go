package main

import (
	"bufio"
	"context"
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

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust/testpki"
	"ringboot/profiles"
	"ringboot/rehearsal/need"
)

const residentProfile = `version: 1
cluster: {name: principia, domain: principia.lan, mail: root@principia.lan}
management: {prefix: 10.203.3.0/24, gateway: 10.203.3.1, dns: [10.203.3.1]}
ring:
  transport: ethernet
  prefix: 10.203.4.0/24
  mtu: 1500
  ports: [{name: rba, interface: rba}, {name: rbb, interface: rbb}]
nodes:
  - {name: frege, address: 10.203.3.11, root_disk: {serial: S0}, ports: [{driver: igc}]}
  - {name: russell, address: 10.203.3.12, root_disk: {serial: S1}, ports: [{driver: igc}]}
  - {name: wittgenstein, address: 10.203.3.13, root_disk: {serial: S2}, ports: [{driver: igc}]}
users:
  - {name: kellen, sudo: nopasswd, keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f kellen"]}
`

// build makes the agent as it is shipped and returns its path.
func build(b testing.TB, dir string) string {
	b.Helper()
	path := filepath.Join(dir, "firstboot")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return path
}

// room is a root directory with a seed and the agent in it.
func room(b testing.TB) string {
	b.Helper()
	root := b.TempDir()
	pki, err := testpki.New()
	if err != nil {
		b.Fatal(err)
	}
	cert, key, err := pki.Issue("frege")
	if err != nil {
		b.Fatal(err)
	}
	h := host.New(root)
	for path, text := range map[string][]byte{profiles.ProfileFile: []byte(residentProfile), profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key,
		"/etc/hostname": []byte("frege\n"), "/etc/hosts": []byte("127.0.0.1 localhost\n10.203.3.11 frege\n"), "/dev/null": nil} {
		if err := h.Files.WriteFile(path, text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, dir := range []string{"/proc", "/sys", "/run", "/tmp"} {
		if err := h.Files.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := (step.NewSeed{Node: "frege"}).Write(h, false); err != nil {
		b.Fatal(err)
	}
	return root
}

// resident starts the agent alone in a network and a directory of its own,
// with a port of the ring on a cable of which the far end is there and silent,
// and one on a management network. It returns the process and its stderr.
func resident(b testing.TB, root string) (*exec.Cmd, io.Reader) {
	b.Helper()
	script := `set -e
mount -t proc proc "$1/proc"
mount -t sysfs sysfs "$1/sys"
hostname frege
ip link set lo up
ip link add rba type veth peer name far-a
ip link add rbb type veth peer name far-b
ip link add lan0 type veth peer name far-lan
for l in far-a far-b far-lan lan0; do ip link set $l up; done
ip addr add 10.203.3.11/24 dev lan0
exec chroot "$1" /firstboot run`
	cmd := exec.Command("unshare", "--net", "--mount", "--uts", "sh", "-c", script, "sh", root)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return cmd, stderr
}

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

// BenchmarkResident measures what the agent costs a node that it only keeps:
// memory, processor time over a minute, and the size of the program.
func BenchmarkResident(b *testing.B) {
	need.Root(b)
	need.Tools(b, "unshare:util-linux", "ip:iproute2", "chroot:coreutils", "go")
	for b.Loop() {
		root := room(b)
		info, err := os.Stat(build(b, root))
		if err != nil {
			b.Fatal(err)
		}
		cmd, stderr := resident(b, root)
		killer := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
		defer killer.Stop()
		lines := bufio.NewScanner(stderr)
		said := ""
		for !strings.Contains(said, "no Debian system") && lines.Scan() {
			said += lines.Text() + "\n"
		}
		if !strings.Contains(said, "no Debian system") {
			b.Fatalf("the agent did not start: %s", said)
		}
		drained := make(chan struct{})
		go func() { io.Copy(io.Discard, stderr); close(drained) }()
		time.Sleep(20 * time.Second) // past its start, and the quick rounds of its first half minute
		const window = 60 * time.Second
		before := cpu(b, cmd.Process.Pid)
		time.Sleep(window)
		used := cpu(b, cmd.Process.Pid) - before
		memory := rss(b, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			b.Fatal(err)
		}
		at := time.Now()
		<-drained
		if err := cmd.Wait(); err != nil {
			b.Errorf("the agent ended with %v", err)
		}
		need.Figure("agent.stop_s", time.Since(at).Seconds(), "s")
		need.Figure("agent.rss_mib", memory, "mib")
		need.Figure("agent.idle_cpu_percent", 100*used.Seconds()/window.Seconds(), "percent")
		need.Figure("agent.binary_mib", float64(info.Size())/(1<<20), "mib")
	}
}

// TestTheShippedAgentStopsAtOnce starts the program as it is shipped, alone in
// a network of its own, and stops it as systemd does.
func TestTheShippedAgentStopsAtOnce(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "ip:iproute2", "chroot:coreutils", "go")
	root := room(t)
	build(t, root)
	cmd, stderr := resident(t, root)
	killer := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	defer killer.Stop()
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "no Debian system") {
			break
		}
	}
	var out strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := run(ctx, []string{"status", "--root", root}, strings.NewReader(""), &out, io.Discard); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "frege: step 2 of") || !strings.Contains(out.String(), "this is no Debian system") {
		t.Errorf("status:\n%s\nthe agent said:\n%s", out.String(), said.String())
	}
	at := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v: %s%s", err, said.String(), rest)
	}
	if took := time.Since(at); took > 5*time.Second { // a second on a machine that does nothing else
		t.Errorf("it took %s to stop", took)
	}
}
