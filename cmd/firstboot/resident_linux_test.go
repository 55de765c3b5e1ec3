package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/firstboot/base"
	"ringboot/firstboot/host"
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

// keys makes the keys of a cluster.
func keys(b testing.TB) *testpki.PKI {
	b.Helper()
	pki, err := testpki.New()
	if err != nil {
		b.Fatal(err)
	}
	return pki
}

// room is a root directory with a node's seed in it.
func room(b testing.TB, pki *testpki.PKI, node string) string {
	b.Helper()
	root := b.TempDir()
	cert, key, err := pki.Issue(node)
	if err != nil {
		b.Fatal(err)
	}
	h := host.New(root)
	for path, text := range map[string][]byte{profiles.ProfileFile: []byte(residentProfile), profiles.CAFile: pki.CA, profiles.CertFile: cert, profiles.KeyFile: key,
		"/etc/hostname": []byte(node + "\n"), "/etc/hosts": []byte("127.0.0.1 localhost\n10.203.3.11 frege\n10.203.3.12 russell\n10.203.3.13 wittgenstein\n"), "/dev/null": nil} {
		if err := h.Files.WriteFile(path, text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, dir := range []string{"/proc", "/sys", "/run", "/tmp"} {
		if err := h.Files.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := (base.NewSeed{Node: node}).Write(h, false); err != nil {
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

// TestTheShippedAgentStopsAtOnce starts the program as it is shipped, alone in
// a network of its own, and stops it as systemd does.
func TestTheShippedAgentStopsAtOnce(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "unshare:util-linux", "ip:iproute2", "chroot:coreutils", "go")
	root := room(t, keys(t), "frege")
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
	if !strings.Contains(out.String(), "frege: waiting: step 2 of") || !strings.Contains(out.String(), "this is no Debian system") {
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
	if took := time.Since(at); took > 10*time.Second { // in twice TimeoutStopSec of its unit it is killed
		t.Errorf("it took %s to stop", took)
	}
}
