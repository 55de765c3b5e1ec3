package ansible_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/need"
)

// lab is three systems on one kernel, cabled as a ring, and the directory of
// the playbook that mkimage wrote for them.
type lab struct {
	t        *testing.T
	ctx      context.Context
	dir      string
	lan      *containers.Switch
	systems  map[string]*containers.System
	playbook string
	mkimage  string
	profile  string
}

// newLab starts the systems with an address, a key for root and nothing else:
// machines as somebody installed them by hand.
func newLab(t *testing.T) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	t.Cleanup(cancel)
	l := &lab{t: t, ctx: ctx, dir: t.TempDir(), systems: map[string]*containers.System{}}
	l.host("go", "build", "-o", filepath.Join(l.dir, "mkimage"), "ringboot/cmd/mkimage")
	l.mkimage = filepath.Join(l.dir, "mkimage")
	l.host("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", filepath.Join(l.dir, "key"))
	key := l.read(filepath.Join(l.dir, "key.pub"))
	l.profile = filepath.Join(l.dir, "lab.yaml")
	l.write(l.profile, labProfile(key))
	iso, err := base.Practice(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := containers.Unpack(ctx, iso, l.dir)
	if err != nil {
		t.Fatal(err)
	}
	if l.lan, err = containers.NewSwitch(ctx, "10.203.3.1/24"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.lan.Stop)
	p := profiles.Default()
	for _, n := range p.Nodes {
		s, err := containers.Start(ctx, l.dir, root, n.Name, map[string]containers.File{
			"/etc/hostname":              {Content: n.Name + "\n"},
			"/etc/hosts":                 {Content: fmt.Sprintf("127.0.0.1 localhost\n%s %s.home.arpa %s\n", n.Address, n.Name, n.Name)},
			"/root/.ssh/authorized_keys": {Content: key, Mode: 0o600},
			// One kernel has one clock: chrony may look at it and not turn it.
			"/etc/default/chrony": {Content: "DAEMON_OPTS=\"-x -F 0\"\n"},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		l.systems[n.Name] = s
		l.must(l.lan.Plug(ctx, s, "eno1"))
		l.in(n.Name, "ip", "address", "add", n.Address.String()+"/24", "dev", "eno1")
		l.in(n.Name, "ip", "route", "add", "default", "via", "10.203.3.1")
		l.in(n.Name, "sh", "-c", "ssh-keygen -A >/dev/null; systemctl reset-failed ssh; systemctl restart ssh")
	}
	for i, n := range p.Nodes {
		next := p.Nodes[(i+1)%len(p.Nodes)].Name
		l.must(containers.Cable(ctx, l.systems[n.Name], "en05", l.systems[next], "en06"))
	}
	return l
}

// labProfile is the built-in profile on the lab's cables, with the network that
// the machines have. Packages are there already: the lab has no way out.
func labProfile(key string) string {
	return strings.NewReplacer(
		"repository: no-subscription # no-subscription | enterprise | none", "repository: none",
		"allow_single_port: false", "allow_single_port: true\n  keep: true",
		"transport: thunderbolt ", "transport: ethernet ", "mtu: 65520", "mtu: 9000",
		`{name: en05, path: "pci-0000:00:0d.2", driver: thunderbolt-net}`, "{name: en05, interface: en05}",
		`{name: en06, path: "pci-0000:00:0d.3", driver: thunderbolt-net}`, "{name: en06, interface: en06}",
		"driver: igc}", "interface: eno1}",
		// The stand-ins of Ceph have no disks on a shared kernel.
		"ceph:\n  enabled: true", "ceph:\n  enabled: false",
		// Nor is there a watchdog that could be armed and would not reset us all.
		"ha:\n  enabled: true", "ha:\n  enabled: false",
		"sudo: nopasswd", "sudo: nopasswd\n    keys: ['"+strings.TrimSpace(key)+"']",
	).Replace(string(profiles.DefaultText()))
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) read(path string) string {
	l.t.Helper()
	text, err := os.ReadFile(path)
	l.must(err)
	return string(text)
}

func (l *lab) write(path, text string) {
	l.t.Helper()
	l.must(os.WriteFile(path, []byte(text), 0o644))
}

// host runs a program of this machine.
func (l *lab) host(argv ...string) string {
	l.t.Helper()
	cmd := exec.CommandContext(l.ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(l.dir, "keyring"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// in runs a program in a system.
func (l *lab) in(node string, argv ...string) string {
	l.t.Helper()
	out, err := l.systems[node].Run(l.ctx, argv...)
	l.must(err)
	return string(out)
}

// play runs the playbook from the LAN and returns what it said.
func (l *lab) play(args ...string) (string, error) {
	l.t.Helper()
	cmd := l.lan.Command(l.ctx, append([]string{"ansible-playbook", "site.yml", "-e", "ansible_user=root"}, args...)...)
	cmd.Dir = l.playbook
	cmd.Env = append(os.Environ(), "HOME="+l.dir, "ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_NOCOLOR=1",
		"ANSIBLE_PRIVATE_KEY_FILE="+filepath.Join(l.dir, "key"), "ANSIBLE_SSH_ARGS=-o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 -o LogLevel=ERROR")
	log := filepath.Join(l.dir, "ansible.log")
	file, err := os.Create(log)
	l.must(err)
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	return l.read(log), err
}

var recapLine = regexp.MustCompile(`(?m)^(\w+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)

// changed sums up what a run changed, for all nodes.
func (l *lab) changed(out string) int {
	l.t.Helper()
	found := recapLine.FindAllStringSubmatch(out, -1)
	if len(found) != 3 {
		l.t.Fatalf("no recap of three nodes:\n%s", out)
	}
	sum := 0
	for _, m := range found {
		n, err := strconv.Atoi(m[3])
		l.must(err)
		sum += n
	}
	return sum
}

// explain shows what the nodes say when a run went wrong.
func (l *lab) explain() {
	for name := range l.systems {
		for _, argv := range [][]string{{"firstboot", "status"}, {"journalctl", "-u", "ringboot", "--no-pager", "-n", "15"}} {
			out, _ := l.systems[name].Run(l.ctx, argv...)
			l.t.Logf("%s: %s:\n%s", name, strings.Join(argv, " "), out)
		}
	}
}

func TestPlaybookFormsTheClusterAndThenChangesNothing(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "ansible-playbook:ansible-core", "ip:iproute2", "xorriso", "unsquashfs:squashfs-tools", "ssh:openssh-client")
	l := newLab(t)
	l.playbook = filepath.Join(l.dir, "playbook")
	l.host(l.mkimage, "ansible", "--profile", l.profile, "--out", l.playbook)

	out, err := l.play("--check", "--diff")
	if err != nil {
		t.Fatalf("check mode on bare machines: %v\n%s", err, out)
	}
	for node := range l.systems {
		if _, err := l.systems[node].Run(l.ctx, "test", "!", "-e", "/usr/sbin/firstboot"); err != nil {
			t.Errorf("check mode changed %s: %v", node, err)
		}
	}

	begin := time.Now()
	if out, err = l.play(); err != nil {
		l.explain()
		t.Fatalf("from bare to formed: %v\n%s", err, out)
	}
	t.Logf("from bare to formed in %s", time.Since(begin).Round(time.Second))
	for node := range l.systems {
		members := l.in(node, "cat", "/etc/pve/.members")
		for name := range l.systems {
			if !regexp.MustCompile(`"` + name + `": \{ "id": \d, "online": 1, "ip"`).MatchString(members) {
				t.Errorf("%s does not see %s:\n%s", node, name, members)
			}
		}
		l.in(node, "getent", "passwd", "kellen")
	}

	if out, err = l.play(); err != nil {
		t.Fatalf("the second run: %v\n%s", err, out)
	}
	again := l.changed(out)
	need.Figure("ansible.second_run_changed", again, "count")
	if again != 0 {
		t.Errorf("the second run changed something:\n%s", out)
	}

	l.systems["wittgenstein"].Stop()
	out, err = l.play()
	if err == nil || !strings.Contains(out, "unreachable=1") {
		t.Errorf("with a node down the run must fail and name it: %v\n%s", err, out)
	}
}
