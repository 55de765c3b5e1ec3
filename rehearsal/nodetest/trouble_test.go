package nodetest_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/base"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/rehearsal/crash"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// broken is a file system that refuses to write, as a full disk or a read-only root does.
type broken struct {
	host.Files
	cause error
}

func TestAFileSystemThatTakesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		want  string
	}{
		"full disk":      {syscall.ENOSPC, "no space left for /var/lib/ringboot/journal.json, free some with apt-get clean or journalctl --vacuum-size=100M"},
		"read-only root": {syscall.EROFS, "/var/lib/ringboot/journal.json is on a file system that is mounted read-only, look for disk errors with dmesg"},
	} {
		t.Run(name, func(t *testing.T) {
			s := install(t, usual(), "{driver: igc}", "false")
			h := s.m.Host()
			h.Files = broken{h.Files, c.cause}
			before := crash.Written(s.m.Disk)
			out, err := s.engine(t, h).Pass(t.Context(), engine.PassOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if out[1].Result != engine.ResultFailed || !strings.Contains(out[1].Reason, c.want) {
				t.Errorf("%s: %s, want %s", out[1].Result, out[1].Reason, c.want)
			}
			if diff := cmp.Diff(before, crash.Written(s.m.Disk)); diff != "" || len(s.m.Calls) > 0 {
				t.Errorf("half written: %s, ran %q", diff, s.m.Calls)
			}
		})
	}
}

func (b broken) WriteFile(path string, _ []byte, _ os.FileMode) error {
	return host.Explain("write", path, &os.PathError{Op: "write", Path: path, Err: b.cause})
}

func TestMissingToolsAreNamedWithTheirPackage(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	h := s.m.Host()
	h.Commands = host.New(t.TempDir()).Commands // nothing is installed below the root
	_, err := base.NewBase(h, s.profile, s.node).Check(t.Context())
	if !errors.Is(err, host.ErrMissing) || !strings.Contains(err.Error(), "dpkg-query is not installed: apt-get install dpkg") {
		t.Error(err)
	}
}

func TestNoNetworkToInstallFrom(t *testing.T) {
	o := usual()
	o.Online = false
	s := install(t, o, "{driver: igc}", "false")
	out := reach(t, s, s.m.Host(), 2)
	if got := out[1]; got.Result != engine.ResultWaiting || !strings.Contains(got.Reason, "no network to install chrony, sudo (") ||
		!strings.Contains(got.Reason, "connect the node to one that reaches the package sources") {
		t.Errorf("%s: %s", got.Result, got.Reason)
	}
	if out[2].Result != engine.ResultPending {
		t.Errorf("management is %s", out[2].Result)
	}
	if s.m.Host().Files.Remove("/nothing") != nil || strings.Contains(string(must(s.m.Host().Files.ReadFile("/etc/hosts"))), "192.168.1.7") {
		t.Error("what needs no network was not made")
	}
}

func TestSudoRulesAreCheckedBeforeSudoSeesThem(t *testing.T) {
	s := install(t, usual(), "{driver: igc}", "false")
	s.profile.Users[0].Name = "Bad Name" // as if validation had let it pass
	s.m.Host().Files.WriteFile("/etc/passwd", []byte("Bad Name:x:1000:1000::/home/bad:/bin/bash\n"), 0o644)
	err := base.NewBase(s.m.Host(), s.profile, s.node).Apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the rules for sudo were not activated") || !strings.Contains(err.Error(), "syntax error") {
		t.Error(err)
	}
	if host.Exists(s.m.Host().Files, "/etc/sudoers.d/ringboot") {
		t.Error("rules that visudo refuses were activated")
	}
}
