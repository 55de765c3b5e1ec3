package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/cmd/cli"
	"ringboot/profiles"
	"ringboot/profiles/change"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/need"
)

// standIn plays ssh: it notes its command line, and has a node's directory say
// what happens there. A file "ssh" there is what ssh says before it fails, "cut"
// lets the connection break once after the command, and bin has the programs.
const standIn = `#!/bin/sh
echo "$@" >>"$NODES/ssh.log"
user=
while [ "$1" != -- ]; do
	case $1 in
	-l) user=$2 ;;
	UserKnownHostsFile=*) eval "cat ${1#*=}" >>"$NODES/known" ;;
	esac
	at=$1; shift
done
here=$(cat "$NODES/$at.name")
export HERE="$NODES/$here"
if [ -e "$HERE/ssh" ]; then cat "$HERE/ssh" >&2; exit 255; fi
PATH="$HERE/bin:/bin:/usr/bin" SSHUSER=$user sh -c "$2"
code=$?
if [ -e "$HERE/cut" ]; then rm "$HERE/cut"; exit 255; fi
exit $code
`

// farm is three directories that play the machines.
type farm struct {
	t             *testing.T
	dir, profile  string
	out, messages string
}

func newFarm(t *testing.T) *farm {
	t.Helper()
	dir := t.TempDir()
	f := &farm{t: t, dir: dir, profile: filepath.Join(dir, "p.yaml")}
	bin := filepath.Join(dir, "bin")
	check(t, os.Mkdir(bin, 0o700))
	f.program(filepath.Join(bin, "ssh"), standIn)
	text := strings.Replace(string(profiles.DefaultText()), "\nusers:\n", "\nusers:\n  - {name: hume, sudo: nopasswd, keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB hume\"]}\n", 1)
	check(t, os.WriteFile(f.profile, []byte(text), 0o600))
	for i, n := range names {
		check(t, os.MkdirAll(filepath.Join(dir, n, "bin"), 0o700))
		f.write("10.203.3.1"+string(rune('1'+i))+".name", n)
		f.node(n, "firstboot", "#!/bin/sh\necho \"$@\" >>\"$HERE/said\"\ncase \"$*\" in *--json) cat \"$HERE/order\" 2>/dev/null && exit; echo 'firstboot: no upgrade was begun on this node: it is shown where it was begun' >&2; exit 4;; esac\n. \"$HERE/does\"\n")
		f.node(n, "id", "#!/bin/sh\n[ -n \"$SSHUSER\" ] && echo 1000 || echo 0\n")
		f.node(n, "sudo", "#!/bin/sh\n[ \"$2\" = -l ] && exit; shift; exec \"$@\"\n")
		f.write(n+"/does", "echo done\n")
	}
	t.Setenv("NODES", dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_DATA_HOME", dir)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return f
}

func (f *farm) program(at, text string) {
	f.t.Helper()
	check(f.t, os.WriteFile(at, []byte(text), 0o700))
}

func (f *farm) node(node, program, text string) {
	f.program(filepath.Join(f.dir, node, "bin", program), text)
}

func (f *farm) write(name, text string) {
	f.t.Helper()
	check(f.t, os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600))
}

func (f *farm) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(f.dir, name)) // not there: nothing was written
	return string(text)
}

func (f *farm) call(args ...string) int {
	f.t.Helper()
	var out, errs bytes.Buffer
	err := run(f.t.Context(), append(args, "--profile", f.profile), strings.NewReader(""), &out, &errs)
	code := cli.Report("peers", err, &errs)
	f.out, f.messages = out.String(), errs.String()
	return code
}

// The words reach firstboot as they were typed, over ssh, as the administrator
// of the profile, without a terminal and without a question.
func TestUpgradeThroughTheFirstNode(t *testing.T) {
	f := newFarm(t)
	f.write("frege/does", "echo '1. russell: 2 packages'; echo a note >&2\n")
	if code := f.call("upgrade", "--node", "russell", "--node", "frege", "--dry-run"); code != 0 || f.out != "1. russell: 2 packages\n" || f.messages != "on frege\na note\n" {
		t.Errorf("exit %d, %q, %q", code, f.out, f.messages)
	}
	if got, want := f.read("frege/said"), "upgrade --follow --json\nupgrade --node russell --node frege --dry-run\n"; got != want {
		t.Errorf("firstboot of frege was called with %q, want %q", got, want)
	}
	for _, word := range []string{"-T ", "BatchMode=yes", "-l hume", " 10.203.3.11 -- "} {
		if !strings.Contains(f.read("ssh.log"), word) {
			t.Errorf("no %q in %s", word, f.read("ssh.log"))
		}
	}
	if strings.Contains(f.read("ssh.log"), "StrictHostKeyChecking") {
		t.Error("without a word of the nodes the user's own settings for host keys count")
	}
	for _, args := range [][]string{{"--node", "hegel"}, {"--on", "hegel"}, {"--pause", "--json"}} {
		if code := f.call(append([]string{"upgrade"}, args...)...); code != int(fault.Usage) {
			t.Errorf("%v: exit %d: %s", args, code, f.messages)
		}
	}
	// A node that gives up its work says why, and its code is ours.
	f.write("frege/does", "echo 'firstboot: the upgrade stopped: russell: \033[2Jits OSDs' >&2; exit 8\n")
	if code := f.call("upgrade"); code != 8 || !strings.HasSuffix(f.messages, "peers: frege: the upgrade stopped: russell: .[2Jits OSDs\n") {
		t.Errorf("exit %d, %q", code, f.messages)
	}
}

// An upgrade that is under way is shown where it is led, and one that has ended
// there is of no account.
func TestUpgradeFindsItsLeader(t *testing.T) {
	f := newFarm(t)
	f.write("frege/order", `{"asked":"2026-01-02T03:04:05Z","ended":"2026-01-02T04:04:05Z"}`)
	f.write("wittgenstein/order", `{"asked":"2026-01-03T03:04:05Z","stopped":"somebody is at work"}`)
	f.write("russell/ssh", "ssh: connect to host 10.203.3.12 port 22: No route to host\n")
	if code := f.call("upgrade", "--pause"); code != 0 || !strings.Contains(f.messages, "on wittgenstein") || !strings.HasSuffix(f.read("wittgenstein/said"), "\nupgrade --pause\n") {
		t.Errorf("exit %d, %s", code, f.messages)
	}
	check(t, os.Remove(filepath.Join(f.dir, "wittgenstein", "order")))
	if code := f.call("upgrade", "--pause"); code != int(fault.Precondition) || !strings.Contains(f.messages, "no upgrade is under way on any node that answers") {
		t.Errorf("exit %d, %s", code, f.messages)
	}
	f.node("frege", "firstboot", "#!/bin/sh\necho 'firstboot: unknown flag: --follow' >&2; exit 2\n")
	if code := f.call("upgrade"); code != int(fault.Precondition) || !strings.Contains(f.messages, "the agent of frege is older than this program") {
		t.Errorf("exit %d, %s", code, f.messages)
	}
}

// The leader restarts last, and the connection with it: what it says afterwards
// is shown, and no line a second time.
func TestUpgradeOutlivesItsConnection(t *testing.T) {
	f := newFarm(t)
	f.write("frege/does", `echo "03:04:05 russell: whole"
case "$*" in *--follow) echo "03:24:05 frege: whole"; exit;; esac
echo "03:14:05 frege: its packages ask for a restart"; : >"$HERE/cut"
`)
	u, nodes := upgrading{}, names
	var out, errs bytes.Buffer
	r := &remote{t: cli.NewTerminal(nil, &out, &errs), at: map[string]string{"frege": "10.203.3.11", "russell": "10.203.3.12", "wittgenstein": "10.203.3.13"}}
	if err := u.run(t.Context(), r, nodes, time.Millisecond, time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := "03:04:05 russell: whole\n03:14:05 frege: its packages ask for a restart\n03:24:05 frege: whole\n"; out.String() != want {
		t.Errorf("%s", out.String())
	}
	f.write("frege/does", `: >"$HERE/cut"; : >"$HERE/ssh"`)
	err := u.run(t.Context(), r, nodes, time.Millisecond, 20*time.Millisecond)
	if fault.Of(err) != fault.Timeout || !strings.Contains(err.Error(), "the upgrade goes on there by itself: peers upgrade --on frege shows it again") {
		t.Errorf("a leader that stays away: %v", err)
	}
}

// Whatever keeps ssh or sudo from it is a sentence that says what to do.
func TestUpgradeSaysWhyItCannotGetThere(t *testing.T) {
	for name, c := range map[string]struct {
		ssh, program, text string
		code               fault.Kind
		want               string
	}{
		"unreachable": {ssh: "ssh: connect to host 10.203.3.11 port 22: Connection refused\n", code: fault.Precondition, want: "frege cannot be reached with ssh at 10.203.3.11 (ssh: connect to host 10.203.3.11 port 22: Connection refused): peers shows"},
		"key refused": {ssh: "hume@10.203.3.11: Permission denied (publickey).\n", code: fault.Precondition, want: "frege takes no key of this computer (hume@frege): name whom"},
		"changed":     {ssh: "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n", code: fault.Refused, want: "what answers at 10.203.3.11 is not frege: it shows another host key than known_hosts has"},
		"unknown":     {ssh: "Host key verification failed.\n", code: fault.Refused, want: "the host key of frege (10.203.3.11) is not known here"},
		"no sudo":     {program: "sudo", code: fault.Precondition, want: "hume@frege is not root and has no sudo: log in as root with --user root"},
		"password":    {program: "sudo", text: "#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n", code: fault.Precondition, want: "sudo wants a password of hume@frege, or has no rule for that account"},
		"no agent":    {program: "firstboot", code: fault.Precondition, want: "frege has no firstboot: install the agent there"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t)
			for _, n := range names {
				if c.ssh != "" {
					f.write(n+"/ssh", c.ssh)
				}
			}
			switch {
			case c.text != "":
				f.node("frege", c.program, c.text)
			case c.program != "":
				check(t, os.Remove(filepath.Join(f.dir, "frege", "bin", c.program)))
				// The machine of the test may have one, so its own are hidden.
				f.program(filepath.Join(f.dir, "bin", "ssh"), strings.Replace(standIn, ":/bin:/usr/bin", "", 1))
				real, err := exec.LookPath("sh")
				check(t, err)
				check(t, os.Symlink(real, filepath.Join(f.dir, "frege", "bin", "sh")))
			}
			if code := f.call("upgrade"); code != int(c.code) || !strings.Contains(f.messages, c.want) {
				t.Errorf("exit %d, %s", code, f.messages)
			}
		})
	}
}

// The nodes' own word about their sshd counts, and nothing that is no key.
func TestHostKeysOfTheNodes(t *testing.T) {
	f := newFarm(t)
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB"
	var out, errs bytes.Buffer
	r := &remote{t: cli.NewTerminal(nil, &out, &errs), at: map[string]string{"frege": "10.203.3.11"},
		keys: map[string][]string{"frege": {key, "ssh-rsa AAAA\nrussell " + key, `x"; touch /tmp/x`}}}
	defer r.close()
	check(t, r.run(t.Context(), "frege", nil, &out, &errs, "upgrade"))
	if got := f.read("known"); got != "frege "+key+"\n" {
		t.Errorf("known_hosts: %q", got)
	}
	for _, word := range []string{"StrictHostKeyChecking=yes", "HostKeyAlias=frege", "GlobalKnownHostsFile=none"} {
		if !strings.Contains(f.read("ssh.log"), word) {
			t.Errorf("no %s in %s", word, f.read("ssh.log"))
		}
	}
	f.write("frege/ssh", "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n")
	if err := r.run(t.Context(), "frege", nil, &out, &errs, "upgrade"); err == nil || !strings.Contains(err.Error(), "than its agent says: somebody is between") {
		t.Errorf("another key than the agent says: %v", err)
	}
	dir := r.known
	r.close()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("what was made for ssh is left: %v", err)
	}
}

// A profile gets to no node if one of them refuses it.
func TestPush(t *testing.T) {
	f := newFarm(t)
	p, err := profiles.Load(f.profile, []byte(f.read("p.yaml")))
	check(t, err)
	var files []string
	for _, n := range append([]string{"hegel"}, names[:2]...) {
		node := strings.Replace(n, "hegel", "frege", 1)
		made, err := change.NewFile(p, profiles.Seed{Version: profiles.SeedVersion, Node: node})
		check(t, err)
		text, err := made.Encode()
		check(t, err)
		f.write(n+".ringboot-seed", string(text))
		files = append(files, filepath.Join(f.dir, n+".ringboot-seed"))
	}
	again, files := files[0], files[1:]
	for n, does := range map[string]string{"frege": "cat >>\"$HERE/got\"\n", "russell": "cat >/dev/null; echo 'firstboot: it asks for what may not change:\n  cluster.name' >&2; exit 6\n"} {
		f.write(n+"/does", does)
	}
	if code := f.call(append([]string{"push"}, files...)...); code != 6 || !strings.Contains(f.messages, "russell: it asks for what may not change:\n  cluster.name; nothing was changed on any node") {
		t.Errorf("exit %d, %s", code, f.messages)
	}
	if f.read("frege/said") != "profile - --dry-run\n" {
		t.Errorf("frege: %s", f.read("frege/said"))
	}
	f.write("russell/does", "cat >/dev/null; echo it would\n")
	if code := f.call(append([]string{"push"}, files...)...); code != 0 || f.out != "frege\nrussell\nit would\n" {
		t.Errorf("exit %d, %q, %s", code, f.out, f.messages)
	}
	if !strings.HasSuffix(f.read("frege/said"), "profile -\n") || !strings.HasSuffix(f.read("russell/said"), "profile -\n") || !strings.Contains(f.read("frege/got"), `"profile":`) {
		t.Errorf("frege %q, russell %q", f.read("frege/said"), f.read("russell/said"))
	}
	for want, args := range map[string][]string{"too: one file for each node": {again, files[0]}, "which one? peers push FILE": nil, "is no profile for a node": {f.profile}} {
		if code := f.call(append([]string{"push"}, args...)...); code == 0 || !strings.Contains(f.messages, want) {
			t.Errorf("%v: exit %d, %s", args, code, f.messages)
		}
	}
}

// What peers says is what the firstboot of this commit understands: an upgrade
// under way is found, paused and shown by the real one.
func TestUpgradeWithTheRealFirstboot(t *testing.T) {
	need.Slow(t)
	f := newFarm(t)
	real := filepath.Join(f.dir, "real")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", real, "ringboot/cmd/firstboot").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, n := range names {
		check(t, os.MkdirAll(filepath.Join(f.dir, n, "var/lib/ringboot"), 0o700))
		f.node(n, "firstboot", "#!/bin/sh\nexec \"$NODES/real\" --root \"$HERE\" \"$@\"\n")
	}
	const order = "russell/var/lib/ringboot/upgrade.json"
	f.write(order, `{"version":1,"leader":"russell","asked":"2026-01-03T03:04:05Z","nodes":["frege","russell"],"plan":{},"turns":{}}`)
	if code := f.call("upgrade", "--pause"); code != 0 || !strings.Contains(f.messages, "on russell") || !strings.Contains(f.read(order), `"pause": true`) {
		t.Fatalf("exit %d, %s\n%s", code, f.messages, f.read(order))
	}
	var said struct{ Leader string }
	if code := f.call("upgrade", "--json"); code != 0 || json.Unmarshal([]byte(f.out), &said) != nil || said.Leader != "russell" {
		t.Errorf("exit %d, %s%s", code, f.out, f.messages)
	}
}
