package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/profiles/fault"
	"ringboot/rehearsal/need"
)

// A user without rights writes a stick: only the open of the device runs as
// root, through the real sudo, whose rules are another file in a mount
// namespace of this test alone.
func TestOnlyTheOpenNeedsRoot(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "sudo", "unshare:util-linux", "setpriv:util-linux", "script:bsdutils", "losetup:mount", "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	needAgent(t)
	dir := openDir(t)
	stock, err := (&stocks{t: t, made: map[string]string{}}).iso("9.2-1")
	if err != nil {
		t.Fatal(err)
	}
	command(t, "cp", stock, filepath.Join(dir, "stock.iso"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command(t, "cp", self, filepath.Join(dir, "mkimage"))
	command(t, "chmod", "-R", "a+rX", dir)
	home := filepath.Join(dir, "home")
	command(t, "install", "-d", "-o", "nobody", "-g", "nogroup", home)
	try := func(rule, terminal string) (said string, code int, device string) {
		device = loopOf(t)
		rules := filepath.Join(t.TempDir(), "rules")
		if err := os.WriteFile(rules, []byte("Defaults use_pty\nroot ALL=(ALL:ALL) ALL\n"+rule), 0o440); err != nil {
			t.Fatal(err)
		}
		line := "./mkimage --node frege --iso stock.iso --stick " + device + " --confirm=" + device + " --confirm=" + device
		said, code = asNobody(t, dir, rules, strings.Replace(terminal, "LINE", line, 1))
		return said, code, device
	}
	for _, terminal := range []string{"LINE", "script -qefc 'LINE' /dev/null"} {
		said, code, device := try("nobody ALL=(root) NOPASSWD: ALL\n", terminal)
		if code != 0 || !strings.Contains(said, "written, read back and compared: ") {
			t.Errorf("by %s: exit code %d\n%s", terminal, code, said)
		}
		command(t, filepath.Join(dir, "mkimage"), "verify", device)
	}
	if said, code, device := try("", "LINE"); code != int(fault.Precondition) || !strings.Contains(said, "mkimage: opening "+device+" needs root: sudo: exit status 1") {
		t.Errorf("without a rule: exit code %d\n%s", code, said)
	}
	if entries, err := os.ReadDir(filepath.Join(home, "ringboot")); err != nil || len(entries) == 0 {
		t.Errorf("the keyring is not the user's: %v, %v", entries, err)
	}
}

// openDir is a directory that other users can enter, too.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ringboot-sudo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	command(t, "chmod", "755", dir)
	return dir
}

// asNobody runs a command in dir as the user nobody, who has these rules of sudo.
func asNobody(t *testing.T, dir, rules, line string) (string, int) {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "sh", "-c",
		`mount --bind "$1" /etc/sudoers && exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c "$2"`, "sh", rules, line)
	cmd.Dir = dir
	home := filepath.Join(dir, "home")
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CACHE_HOME=" + home}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return said.String(), cmd.ProcessState.ExitCode()
}

// loopOf is a device that root alone may open.
func loopOf(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stick")
	command(t, "truncate", "-s", "64M", file)
	device := strings.TrimSpace(command(t, "losetup", "--find", "--show", file))
	t.Cleanup(func() { command(t, "losetup", "-d", device) })
	return device
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}
