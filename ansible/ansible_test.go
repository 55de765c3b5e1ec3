package ansible_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/containers/lab"
	"ringboot/rehearsal/need"
)

// playing is a lab that a playbook drives.
type playing struct {
	*lab.Lab
	key      string // private key of root, on the host
	playbook string
}

// bare is three machines as somebody installed them by hand: an address, a key
// for root and nothing else.
func bare(t *testing.T) (playing, string) {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(t, lab.Profile(
		// These two take their time, and have a test of their own.
		"ceph:\n  enabled: true", "ceph:\n  enabled: false",
		"ha:\n  enabled: true", "ha:\n  enabled: false",
		"sudo: nopasswd", "sudo: nopasswd\n    keys: ['"+strings.TrimSpace(string(public))+"']",
	), string(public))
	p := playing{Lab: l, key: key, playbook: filepath.Join(l.Dir, "playbook")}
	l.Host(l.Tool("mkimage"), "ansible", "--profile", l.File, "--out", p.playbook)
	return p, string(public)
}

// play runs the playbook from the LAN and returns what it said.
func (l playing) play(args ...string) (string, error) {
	l.T.Helper()
	cmd := l.LAN.Command(l.Ctx, append([]string{"ansible-playbook", "site.yml", "-e", "ansible_user=root"}, args...)...)
	cmd.Dir = l.playbook
	// One connection for all tasks of a run, as Ansible does by itself. No run
	// finds that of an earlier one: its node may be gone. A socket's path is short.
	control, err := os.MkdirTemp("", "rb-ssh-")
	l.Must(err)
	defer os.RemoveAll(control)
	cmd.Env = append(os.Environ(), "HOME="+l.Dir, "ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_NOCOLOR=1", "ANSIBLE_PIPELINING=True",
		"ANSIBLE_PRIVATE_KEY_FILE="+l.key, "ANSIBLE_SSH_CONTROL_PATH_DIR="+control,
		"ANSIBLE_SSH_ARGS=-o ControlMaster=auto -o ControlPersist=10s -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 -o LogLevel=ERROR")
	log := filepath.Join(l.Dir, "ansible.log")
	file, err := os.Create(log)
	l.Must(err)
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	text, readErr := os.ReadFile(log)
	l.Must(readErr)
	return string(text), err
}

var recapLine = regexp.MustCompile(`(?m)^(\w+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)`)

// changed sums up what a run changed, for all nodes.
func (l playing) changed(out string) int {
	l.T.Helper()
	found := recapLine.FindAllStringSubmatch(out, -1)
	if len(found) != 3 {
		l.T.Fatalf("no recap of three nodes:\n%s", out)
	}
	sum := 0
	for _, m := range found {
		n, err := strconv.Atoi(m[3])
		l.Must(err)
		sum += n
	}
	return sum
}

func TestPlaybookFormsTheClusterAndThenChangesNothing(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "ansible-playbook:ansible-core", "ssh:openssh-client")
	l, key := bare(t)

	out, err := l.play("--check", "--diff")
	if err != nil {
		t.Fatalf("check mode on bare machines: %v\n%s", err, out)
	}
	for node := range l.Systems {
		if _, err := l.Systems[node].Run(l.Ctx, "test", "!", "-e", "/usr/sbin/firstboot"); err != nil {
			t.Errorf("check mode changed %s: %v", node, err)
		}
	}

	begin := time.Now()
	if out, err = l.play(); err != nil {
		l.Explain()
		t.Fatalf("from bare to formed: %v\n%s", err, out)
	}
	t.Logf("from bare to formed in %s", time.Since(begin).Round(time.Second))
	l.AwaitKeepers()
	for node := range l.Systems {
		members := l.In(node, "cat", "/etc/pve/.members")
		for name := range l.Systems {
			if !regexp.MustCompile(`"` + name + `": \{ "id": \d, "online": 1, "ip"`).MatchString(members) {
				t.Errorf("%s does not see %s:\n%s", node, name, members)
			}
		}
		l.In(node, "getent", "passwd", "kellen")
	}

	if out, err = l.play(); err != nil {
		t.Fatalf("the second run: %v\n%s", err, out)
	}
	again := l.changed(out)
	need.Figure("ansible.second_run_changed", again, "count")
	if again != 0 {
		t.Errorf("the second run changed something:\n%s", out)
	}

	t.Run("the stick makes the same of a machine", func(t *testing.T) { sameAsTheStick(t, l.Lab, key) })

	l.Systems["wittgenstein"].Stop()
	out, err = l.play()
	if err == nil || !strings.Contains(out, "unreachable=1") {
		t.Errorf("with a node down the run must fail and name it: %v\n%s", err, out)
	}
}

// What two clusters of one profile have in common is all of etc, what Debian's
// packages and ours brought, the agent's records, and what kernel and tools say.
// Left out is what is made anew each time or tells times, and what says by which
// way a node came; of the seed only that word is left out. What the acceptance
// measured depends on how busy the machine was; that it left its note does not.
var (
	compared = []string{"/etc", "/usr/lib/ringboot", "/usr/lib/systemd", "/usr/sbin", "/usr/local", "/var/lib/ringboot", "/root", "/home"}
	apart    = []string{
		"/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ecdsa_key.pub", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub",
		"/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub", "/root/.ssh/id_rsa.pub", "/etc/machine-id", "/etc/corosync/authkey", "/etc/pve",
		"/var/lib/ringboot/journal.json", "/var/lib/ringboot/acceptance.json",
		"/var/lib/ringboot/report.json", "/var/lib/ringboot/report.md", "/var/lib/ringboot/report.html",
		"/var/lib/ringboot/page.crt", "/var/lib/ringboot/page.key",
		"/var/lib/ringboot/own.json", "/var/lib/ringboot/bindings.json", "/var/lib/ringboot/keyed", "/var/lib/ringboot/handover.json", "/var/lib/ringboot/settled.json",
		"/etc/ringboot/seed.json", "/etc/ringboot/peers.json", "/etc/ringboot/profile.yaml", "/root/.ansible",
	}
	questions = []containers.Asked{
		{Name: "address", Argv: []string{"sh", "-c", "ip -o -4 addr show | awk '{print $2, $4}'"}},
		{Name: "route", Argv: []string{"ip", "-4", "route", "show"}},
		{Name: "forwarding", Argv: []string{"sh", "-c", "cd /proc/sys/net/ipv4 && grep -H . ip_forward conf/*/rp_filter conf/*/send_redirects conf/*/accept_redirects conf/*/ignore_routes_with_linkdown"}},
		{Name: "port", Argv: []string{"sh", "-c", "ip -o link show | awk '{print $2, $5, $9}'"}},
		{Name: "unit", Argv: []string{"systemctl", "list-unit-files", "--state=enabled", "--no-legend", "--plain"}},
		{Name: "member", Argv: []string{"corosync-quorumtool", "-l"}},
		{Name: "cluster", Argv: []string{"sh", "-c", "cat /etc/pve/corosync.conf /etc/pve/datacenter.cfg /etc/pve/user.cfg | sed 's/\\(Ringboot acceptance\\).*/\\1/'"}},
		{Name: "record", Argv: []string{"sh", "-c", "ls /var/lib/ringboot"}},
		{Name: "step", Argv: []string{"sh", "-c", "firstboot apply --check | awk '/^[a-z]/ {print $1, $2}'"}},
	}
)

// sameAsTheStick compares what the playbook made with what images of the same
// profile make of the same machines, field by field.
func sameAsTheStick(t *testing.T, l *lab.Lab, key string) {
	stick := l.Again(t, key)
	stick.InstallImages()
	stick.Await(nil)
	stick.AwaitKeepers()
	differences, fields := 0, 0
	for _, n := range l.Profile.Nodes {
		var both [2]map[string]string
		for i, s := range []*containers.System{l.Systems[n.Name], stick.Systems[n.Name]} {
			var err error
			if both[i], err = s.State(l.Ctx, compared, apart, questions); err != nil {
				t.Fatal(err)
			}
			seedFields(t, both[i], s)
		}
		for _, field := range slices.Sorted(maps.Keys(both[0])) {
			fields++
			if got, ok := both[1][field]; got != both[0][field] {
				differences++
				t.Errorf("%s: %s: %s by the playbook, %s by the stick (there: %v)", n.Name, field, both[0][field], got, ok)
			}
		}
		for _, field := range slices.Sorted(maps.Keys(both[1])) {
			if _, ok := both[0][field]; !ok {
				fields++
				differences++
				t.Errorf("%s: %s: %s by the stick, absent by the playbook", n.Name, field, both[1][field])
			}
		}
	}
	need.Figure("ansible.state_fields", fields, "count")
	need.Figure("ansible.state_differences", differences, "count")
}

// seedFields adds what a node's seed says, among it the hashes of the plan and
// so all of the profile, but not who drives the node.
func seedFields(t *testing.T, state map[string]string, s *containers.System) {
	text, err := s.Run(t.Context(), "cat", "/etc/ringboot/seed.json")
	if err != nil {
		t.Fatal(err)
	}
	var seed map[string]json.RawMessage
	if err := json.Unmarshal(text, &seed); err != nil {
		t.Fatal(err)
	}
	delete(seed, "driven")
	delete(seed, "practice") // that its image was made of the practice ISO
	for key, value := range seed {
		state["seed "+key] = string(value)
	}
}
