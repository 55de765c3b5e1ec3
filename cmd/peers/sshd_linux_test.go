package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
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

// overSSH is a farm whose first two machines are reached with the real ssh and
// sshd, on loopback; on the third one nothing listens. What runs there is the
// farm's.
type overSSH struct {
	*farm
	r    *remote
	out  bytes.Buffer
	errs bytes.Buffer
}

func newOverSSH(t *testing.T) *overSSH {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin")
	need.Tools(t, "sshd:openssh-server", "ssh:openssh-client", "ssh-keygen:openssh-client")
	ssh, err := exec.LookPath("ssh")
	check(t, err)
	sshd, err := exec.LookPath("sshd")
	check(t, err)
	me, err := user.Current()
	check(t, err)
	if me.Uid == "0" {
		check(t, os.MkdirAll("/run/sshd", 0o755)) // where sshd, as root, insists on being locked in
	}
	o := &overSSH{farm: newFarm(t)}
	o.r = &remote{t: cli.NewTerminal(nil, &o.out, &o.errs), user: me.Username, at: map[string]string{}, keys: map[string][]string{}}
	t.Cleanup(o.r.close)
	o.key("mine")
	config := ""
	for i, n := range names {
		o.r.at[n] = "10.203.3.1" + string(rune('1'+i))
		o.write(n+"/id", me.Username)
		free, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		port := free.Addr().(*net.TCPAddr).Port
		check(t, free.Close())
		config += fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n", o.r.at[n], port)
		if i < 2 {
			o.listen(sshd, n, port)
		}
	}
	o.write("config", config+"Host *\n  IdentityFile "+filepath.Join(o.dir, "mine")+"\n  IdentitiesOnly yes\n  UserKnownHostsFile "+filepath.Join(o.dir, "owners")+"\n  GlobalKnownHostsFile none\n")
	o.program(filepath.Join(o.dir, "bin", "ssh"), "#!/bin/sh\nexec "+ssh+" -F \"$NODES/config\" \"$@\"\n")
	return o
}

// key makes a pair of keys.
func (o *overSSH) key(name string) {
	o.t.Helper()
	check(o.t, exec.CommandContext(o.t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", filepath.Join(o.dir, name)).Run())
}

// public is the public half as known_hosts has it.
func (o *overSSH) public(name string) string { return strings.TrimSpace(o.read(name + ".pub")) }

// listen runs the sshd of a machine, whose commands run with its programs.
func (o *overSSH) listen(sshd, node string, port int) {
	o.t.Helper()
	here := filepath.Join(o.dir, node)
	o.key(node + "/host")
	o.write(node+"/keys", o.public("mine")+"\n")
	o.write(node+"/sshd_config", fmt.Sprintf(`ListenAddress 127.0.0.1
Port %d
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
ForceCommand exec env PATH=%[2]s/bin:/bin:/usr/bin HERE=%[2]s NODES=%[3]s SSHUSER=somebody sh -c "$SSH_ORIGINAL_COMMAND"
`, port, here, o.dir))
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(here, "sshd_config"))
	log := &bytes.Buffer{}
	cmd.Stderr = log
	check(o.t, cmd.Start())
	o.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if o.t.Failed() {
			o.t.Logf("sshd of %s: %s", node, log)
		}
	})
	end := time.Now().Add(20 * time.Second)
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("sshd of %s does not listen: %v", node, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// does runs firstboot on a machine with these words and this input.
func (o *overSSH) does(node, stdin string, words ...string) error {
	o.out.Reset()
	o.errs.Reset()
	return o.r.run(o.t.Context(), node, strings.NewReader(stdin), &o.out, &o.errs, words...)
}

// What the stand-in of ssh takes for granted, the real one and a real sshd do:
// words and input arrive as they are, exit codes and messages come back, keys are
// believed and refused, and what keeps ssh from it is told apart by its words.
func TestARealSSHDoesWhatIsExpectedOfIt(t *testing.T) {
	o := newOverSSH(t)
	o.r.keys["frege"] = []string{o.public("frege/host")}
	o.node("frege", "firstboot", "#!/bin/sh\nprintf '<%s>\\n' \"$@\"\ncat >\"$HERE/got\"\necho 'a note' >&2\n")
	words := []string{"profile", "-", "it's", "a  b", "$HOME `id`; exit 3", "", `\"`, "ü"}
	input := strings.Repeat("seed: \x00\xff\n", 20000)
	if err := o.does("frege", input, words...); err != nil || o.out.String() != "<"+strings.Join(words, ">\n<")+">\n" || o.errs.String() != "a note\n" || o.read("frege/got") != input {
		t.Errorf("%v, %q %q, %d of %d bytes", err, o.out.String(), o.errs.String(), len(o.read("frege/got")), len(input))
	}
	o.node("frege", "firstboot", "#!/bin/sh\necho 'firstboot: it stopped:' >&2; echo '  in doubt' >&2; exit 8\n")
	if err := o.does("frege", ""); fault.Of(err) != 8 || err.Error() != "frege: it stopped:\n  in doubt" {
		t.Errorf("an exit code: %v (%v)", err, fault.Of(err))
	}
	o.node("frege", "sudo", "#!/bin/sh\nexit 1\n")
	if err := o.does("frege", ""); err == nil || !strings.HasPrefix(err.Error(), "sudo wants a password of") {
		t.Errorf("sudo: %v", err)
	}
	for name, c := range map[string]struct {
		node   string
		before func()
		kind   fault.Kind
		want   string
	}{
		"nothing listens": {"wittgenstein", func() {}, fault.Precondition, "wittgenstein cannot be reached with ssh at 10.203.3.13 (ssh: connect to host 127.0.0.1 port "},
		"not known":       {"russell", func() {}, fault.Refused, "the host key of russell (10.203.3.12) is not known here"},
		"another than the agent says": {"russell", func() { o.r.keys["russell"] = []string{o.public("frege/host")} }, fault.Refused,
			"it shows another host key than its agent says: somebody is between"},
		"no key of ours": {"frege", func() { o.write("frege/keys", o.public("russell/host")+"\n") }, fault.Precondition, "frege takes no key of this computer ("},
	} {
		c.before()
		var lost errLost
		if err := o.does(c.node, ""); fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.want) || errors.As(err, &lost) != (name == "nothing listens") {
			t.Errorf("%s: %v", name, err)
		}
		delete(o.r.keys, "russell")
	}
	o.write("owners", fmt.Sprintf("[127.0.0.1]:%s %s\n", o.port("russell"), o.public("mine")))
	if err := o.does("russell", ""); fault.Of(err) != fault.Refused || !strings.Contains(err.Error(), "it shows another host key than known_hosts has") {
		t.Errorf("another than the owner knows: %v", err)
	}
}

// port is where a machine listens.
func (o *overSSH) port(node string) string {
	_, text, _ := strings.Cut(o.read(node+"/sshd_config"), "\nPort ")
	port, _, _ := strings.Cut(text, "\n")
	return port
}

// An upgrade outlives the end of its connection, and a profile comes to all nodes
// or to none, over the real programs.
func TestUpgradeAndPushOverARealSSH(t *testing.T) {
	o := newOverSSH(t)
	for _, n := range names[:2] {
		o.r.keys[n] = []string{o.public(n + "/host")}
	}
	nodes := names[:2]
	o.write("frege/does", `echo "03:04:05 russell: whole"
case "$*" in *--follow) echo "03:24:05 frege: whole"; exit;; esac
echo "03:14:05 frege: its packages ask for a restart"
at=$PPID
until grep -q ^sshd "/proc/$at/comm"; do read -r _ _ _ at _ <"/proc/$at/stat"; done
kill -9 "$at"
`)
	if err := (upgrading{}).run(t.Context(), o.r, nodes, time.Millisecond, time.Minute); err != nil {
		t.Fatalf("%v\n%s", err, o.errs.String())
	}
	if want := "03:04:05 russell: whole\n03:14:05 frege: its packages ask for a restart\n03:24:05 frege: whole\n"; o.out.String() != want {
		t.Errorf("%q", o.out.String())
	}
	p, err := profiles.Load(o.profile, []byte(o.read("p.yaml")))
	check(t, err)
	var files []string
	for _, n := range nodes {
		made, err := change.NewFile(p, profiles.Seed{Version: profiles.SeedVersion, Node: n})
		check(t, err)
		text, err := made.Encode()
		check(t, err)
		o.write(n+".ringboot-seed", string(text))
		files = append(files, filepath.Join(o.dir, n+".ringboot-seed"))
	}
	o.write("frege/does", "cat >\"$HERE/got\"\n")
	o.write("russell/does", "cat >/dev/null; echo 'firstboot: it asks for what may not change' >&2; exit 6\n")
	if err := push(t.Context(), o.r, nodes, files, false); fault.Of(err) != 6 || !strings.HasSuffix(err.Error(), "; nothing was changed on any node") || strings.Contains(o.read("frege/said"), "profile -\n") {
		t.Errorf("one refuses: %v; frege: %s", err, o.read("frege/said"))
	}
	o.write("russell/does", "cat >\"$HERE/got\"\n")
	if err := push(t.Context(), o.r, nodes, files, false); err != nil || !strings.HasSuffix(o.read("frege/said"), "profile -\n") || !strings.HasSuffix(o.read("russell/said"), "profile -\n") {
		t.Errorf("%v, frege %s, russell %s", err, o.read("frege/said"), o.read("russell/said"))
	}
	for _, n := range nodes {
		if o.read(n+"/got") != o.read(n+".ringboot-seed") {
			t.Errorf("%s got another file", n)
		}
	}
}
