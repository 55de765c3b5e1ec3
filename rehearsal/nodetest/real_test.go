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
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"visudo", "-c", "-q", "-f", filepath.Join(s.m.Root, "etc/sudoers.d/ringboot")},
		{"/usr/sbin/sshd", "-t", "-h", key, "-f", filepath.Join(s.m.Root, "etc/ssh/sshd_config.d/10-ringboot.conf")},
		{"ssh-keygen", "-l", "-f", filepath.Join(s.m.Root, "home/kellen/.ssh/authorized_keys")},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", argv, err, out)
		}
	}
}
