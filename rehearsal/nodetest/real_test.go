package nodetest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ringboot/rehearsal/need"
)

// TestRealProgramsTakeWhatIsWritten has the real visudo and sshd read what the
// agent wrote for them.
func TestRealProgramsTakeWhatIsWritten(t *testing.T) {
	need.Root(t)
	need.Tools(t, "visudo:sudo", "sshd:openssh-server", "ssh-keygen:openssh-client")
	s := install(t, usual(), "{driver: igc}", "false")
	reach(t, s, s.m.Host(), 3)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, argv := range map[string][]string{
		"/etc/sudoers.d/ringboot":                 {"visudo", "-c", "-q", "-f"},
		"/etc/ssh/sshd_config.d/10-ringboot.conf": {"/usr/sbin/sshd", "-t", "-h", key, "-f"},
		"/home/kellen/.ssh/authorized_keys":       {"ssh-keygen", "-l", "-f"},
	} {
		info := must(s.m.Stat(path))
		at := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(at, must(s.m.ReadFile(path)), info.Mode()); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, at)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", argv, err, out)
		}
	}
}
