package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/base"
	"ringboot/rehearsal/containers"
	"ringboot/rehearsal/hangfs"
	"ringboot/rehearsal/need"
)

// settledSystem is a system of real systemd with the units as they are shipped,
// and the state of a settled node. Its keeper is not started yet.
func settledSystem(ctx context.Context, tb testing.TB) *containers.System {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	node, dir := room(tb, keys(tb), "frege"), tb.TempDir()
	settleNode(tb, node)
	iso, err := base.Practice(ctx, nil)
	must(err)
	root, err := containers.Unpack(ctx, iso, dir)
	must(err)
	files := map[string]containers.File{"/etc/systemd/system/ringboot.service": {Link: "/dev/null"}, "/etc/pve/.keep": {},
		"/etc/ssh/ssh_host_ed25519_key.pub": {Content: "ssh-ed25519 AAAA root@frege\n"}}
	lay := func(from, to string, mode fs.FileMode) {
		text, err := os.ReadFile(from)
		must(err)
		files[to] = containers.File{Content: string(text), Mode: mode}
	}
	lay(build(tb, dir), "/usr/lib/ringboot/firstboot", 0o755)
	units, err := filepath.Glob("../../imagebuilder/deb/files/ringboot*")
	must(err)
	for _, unit := range units {
		lay(unit, "/usr/lib/systemd/system/"+filepath.Base(unit), 0o644)
	}
	for _, part := range []string{"etc/ringboot", "var/lib/ringboot", "var/lib/ringboot-public"} {
		must(filepath.WalkDir(filepath.Join(node, part), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				info, err := d.Info()
				must(err)
				lay(path, strings.TrimPrefix(path, node), info.Mode())
			}
			return err
		}))
	}
	s, err := containers.Start(ctx, dir, root, "frege", nil, files)
	must(err)
	tb.Cleanup(s.Stop)
	return s
}

// BenchmarkUnitsWhileEtcPveHangs measures what systemd does with the units of a
// settled node while the cluster's file system hangs: the keeper ends and begins
// at once, what feels for it does not hold it up, and both find each other again.
func BenchmarkUnitsWhileEtcPveHangs(b *testing.B) {
	need.Root(b)
	need.Tools(b, "unshare:util-linux", "nsenter:util-linux", "mount", "xorriso", "unsquashfs:squashfs-tools", "go")
	need.File(b, "/dev/fuse", "a kernel that knows FUSE, as modprobe fuse loads it")
	for b.Loop() {
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
		s := settledSystem(ctx, b)
		run := func(line string) time.Duration {
			b.Helper()
			began := time.Now()
			if out, err := s.Run(ctx, "sh", "-c", line); err != nil {
				b.Fatalf("%s: %v\n%s", line, err, out)
			}
			return time.Since(began)
		}
		until := func(what, line string) time.Duration {
			b.Helper()
			began := time.Now()
			for _, err := s.Run(ctx, "sh", "-c", line); err != nil; _, err = s.Run(ctx, "sh", "-c", line) {
				if time.Since(began) > 3*hangLimit {
					out, _ := s.Run(ctx, "sh", "-c", "firstboot status; journalctl --no-pager -n 40 -u ringboot-keeper -u ringboot-feel")
					b.Fatalf("%s: not within %s\n%s", what, 3*hangLimit, out)
				}
				time.Sleep(100 * time.Millisecond) // somebody asks now and then
			}
			return time.Since(began)
		}
		const says = "/usr/lib/ringboot/firstboot status --json | grep -q "
		pve := hangfs.Mount(b, s.Init(), "/etc/pve")
		run("systemctl start ringboot-keeper")
		until("sshd's public key is told", says+"'ssh-ed25519 AAAA'")
		until("it is felt", "test -s /run/ringboot-feel/felt.json")
		pve.Hang()
		told := until("the hang is told", says+"'/etc/pve has not answered'")
		again := run("timeout 60 systemctl restart ringboot-keeper")
		until("the hang is told after a restart", says+"'/etc/pve has not answered'")
		stopped := run("timeout 60 systemctl stop ringboot-keeper")
		felt := until("what feels has ended", "systemctl is-active ringboot-feel | grep -q failed")
		run("timeout 60 systemctl start ringboot-keeper")
		until("the hang is told once more", says+"'/etc/pve has not answered'")
		pve.Back()
		back := until("it is told that it is over", says+"'/etc/pve answers again'")
		if most := max(told, again, stopped, felt, back); most > hangLimit {
			b.Errorf("told after %s, restarted in %s, stopped in %s and %s, back after %s", told, again, stopped, felt, back)
		}
		need.Figure("pve.unit_hang_told_s", told.Seconds(), "s")
		need.Figure("pve.unit_restart_s", again.Seconds(), "s")
		need.Figure("pve.unit_stop_s", max(stopped, felt).Seconds(), "s")
		cancel()
	}
}
