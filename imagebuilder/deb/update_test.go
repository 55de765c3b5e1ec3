package deb

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// target is a root directory with a dpkg of its own, in which maintainer
// scripts run without a chroot, and a systemctl that only writes down.
type target struct {
	t    *testing.T
	root string
	bin  string
}

func newTarget(t *testing.T) target {
	t.Helper()
	need.Tools(t, "dpkg")
	x := target{t, t.TempDir(), t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "run/systemd/system", "tmp"} {
		if err := os.MkdirAll(filepath.Join(x.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	x.write("var/lib/dpkg/status", "")
	if err := os.WriteFile(filepath.Join(x.bin, "systemctl"), []byte("#!/bin/sh\necho \"$@\" >>'"+x.root+"/systemctl'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return x
}

func (x target) write(path, text string) {
	x.t.Helper()
	at := filepath.Join(x.root, path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		x.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

func (x target) has(path string) bool {
	_, err := os.Lstat(filepath.Join(x.root, path))
	return err == nil
}

// dpkg runs dpkg on the root and returns what systemctl was told.
func (x target) dpkg(args ...string) []string {
	x.t.Helper()
	if err := os.RemoveAll(filepath.Join(x.root, "systemctl")); err != nil {
		x.t.Fatal(err)
	}
	// Any script of ours is started as if it lay in the root.
	cmd := exec.Command("dpkg", append([]string{"--root=" + x.root, "--force-script-chrootless", "--force-not-root", "--force-bad-path", "--log=/dev/null"}, args...)...)
	cmd.Env = []string{"PATH=" + x.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	if out, err := cmd.CombinedOutput(); err != nil {
		x.t.Fatalf("dpkg %v: %v\n%s", args, err, out)
	}
	text, _ := os.ReadFile(filepath.Join(x.root, "systemctl"))
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func (x target) install(p Package) []string {
	x.t.Helper()
	file := filepath.Join(x.t.TempDir(), p.FileName())
	if err := os.WriteFile(file, build(x.t, p), 0o644); err != nil {
		x.t.Fatal(err)
	}
	return x.dpkg("--install", file)
}

func binary(text string) *io.SectionReader {
	return io.NewSectionReader(strings.NewReader(text), 0, int64(len(text)))
}

// settledNode is a node that was installed from an image, with what the agent
// wrote outside of its packages.
func settledNode(t *testing.T) target {
	x := newTarget(t)
	x.install(Agent("1.0", binary("one"), day))
	x.install(seed(t))
	for _, path := range append(slices.Clone(stays), goes...) {
		x.write(path, "written by the agent\n")
	}
	return x
}

// stays is what docs/leaving.md says that a purge leaves; goes is what is ours.
var (
	stays = []string{
		"etc/network/interfaces.d/ringboot-ring", "etc/systemd/system/ringboot-ring@.service", "etc/udev/rules.d/90-ringboot-ring.rules",
		"etc/systemd/network/10-ringboot-en05.link", "etc/sysctl.d/90-ringboot-ring.conf", "etc/modules-load.d/ringboot-ring.conf", "etc/modprobe.d/ringboot-ring.conf",
		"etc/network/interfaces", "etc/chrony/conf.d/ringboot.conf", "etc/chrony/sources.d/ringboot.sources", "etc/default/grub.d/ringboot.cfg", "etc/ringboot/ring.nft",
	}
	goes = []string{
		"etc/systemd/system/ringboot-restore-network.service", "etc/systemd/system/multi-user.target.wants/ringboot-restore-network.service",
		"var/lib/ringboot/settled.json", "var/lib/ringboot/own.json", "var/lib/ringboot-public/charge.json", "var/lib/private/ringboot-keeper/bindings.json",
	}
)

// An update starts anew what runs, and starts nothing that does not.
func TestAnUpdateBeginsNothing(t *testing.T) {
	x := settledNode(t)
	told := x.install(Update("1.1", binary("two"), day))
	if want := []string{"daemon-reload", "try-restart ringboot-keeper.service ringboot-feel.service ringboot.service"}; !slices.Equal(told, want) {
		t.Errorf("systemctl was told %q, want %q", told, want)
	}
	if text, err := os.ReadFile(filepath.Join(x.root, AgentPath)); err != nil || string(text) != "two" {
		t.Errorf("the agent is %q, %v", text, err)
	}
	for _, path := range append(slices.Clone(stays), goes...) {
		if !x.has(path) {
			t.Errorf("an update took %s away", path)
		}
	}
	for _, e := range Update("1", binary(""), day).Entries {
		if !x.has(e.Path) {
			t.Errorf("%s is not there", e.Path)
		}
	}
	if err := os.RemoveAll(filepath.Join(x.root, "run/systemd")); err != nil {
		t.Fatal(err)
	}
	if told := x.install(Update("1.2", binary("three"), day)); told != nil {
		t.Errorf("without a systemd that runs, systemctl was told %q", told)
	}
}

// What the owner has disabled stays so, whatever the package brings.
func TestAnUpdateEnablesNothing(t *testing.T) {
	links := 0
	for _, e := range Update("1", binary(""), day).Entries {
		if !strings.Contains(e.Path, ".wants/") {
			continue
		}
		links++
		for _, from := range []func(string, *io.SectionReader) Package{
			func(v string, b *io.SectionReader) Package { return Agent(v, b, day) },
			func(v string, b *io.SectionReader) Package { return Update(v, b, day) },
		} {
			x := newTarget(t)
			x.install(from("1.0", binary("one")))
			if err := os.Remove(filepath.Join(x.root, e.Path)); err != nil {
				t.Fatal(err)
			}
			x.install(Update("1.1", binary("two"), day))
			if x.has(e.Path) || x.has("var/lib/ringboot/update.disabled") {
				t.Errorf("an update enabled %s again", e.Path)
			}
		}
	}
	if links != 7 {
		t.Errorf("%d links of units", links)
	}
}

// A purge leaves the floor of the ring, no unit of ours, and what the
// documents say.
func TestAPurgeLeavesTheFloorOfTheRing(t *testing.T) {
	x := settledNode(t)
	x.install(Update("1.1", binary("two"), day))
	told := x.dpkg("--purge", "ringboot")
	want := []string{"stop ringboot-drift.timer ringboot-tell.path ringboot-order.path ringboot-upgrade.service ringboot-replace-disk.service ringboot.service ringboot-keeper.service ringboot-feel.service",
		"daemon-reload", "daemon-reload", "reset-failed ringboot*"}
	if !slices.Equal(told, want) {
		t.Errorf("systemctl was told %q, want %q", told, want)
	}
	if !x.has("etc/ringboot/seed.json") {
		t.Error("the agent's purge took the seed, which is another package's")
	}
	x.dpkg("--purge", "ringboot-seed")
	for _, path := range stays {
		if !x.has(path) {
			t.Errorf("%s is gone", path)
		}
	}
	left := x.ours()
	for _, path := range left {
		if !slices.Contains(stays, path) {
			t.Errorf("%s is left", path)
		}
	}
	if len(left) != len(stays)-1 { // the network's file has no name of ours
		t.Errorf("left are %q", left)
	}
	documents(t)
}

// ours lists files and links with our name in their path.
func (x target) ours() (out []string) {
	x.t.Helper()
	err := filepath.WalkDir(x.root, func(path string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(path, x.root+"/")
		if err == nil && !d.IsDir() && strings.Contains(name, "ringboot") && !strings.HasPrefix(name, "var/lib/dpkg/") {
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return out
}

// documents holds what stays against the page that says it.
func documents(t *testing.T) {
	t.Helper()
	page, err := os.ReadFile("../../docs/leaving.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stays {
		named := slices.ContainsFunc([]string{path, filepath.Dir(path), filepath.Base(path)}, func(p string) bool {
			return strings.Contains(string(page), "`/"+p+"`") || strings.Contains(string(page), "`/"+p+"/`") || strings.Contains(string(page), "`"+p+"`")
		})
		if !named {
			t.Errorf("leaving.md does not name /%s", path)
		}
	}
}

// A removal is no purge: what the node knows of itself stays, for the next
// installation of the package.
func TestARemovalKeepsWhatTheNodeKnows(t *testing.T) {
	x := settledNode(t)
	x.install(Update("1.1", binary("two"), day))
	x.dpkg("--remove", "ringboot")
	for _, path := range append(slices.Clone(stays), goes...) {
		if !x.has(path) {
			t.Errorf("a removal took %s away", path)
		}
	}
	x.install(Update("1.1", binary("two"), day))
	if !x.has("etc/systemd/system/multi-user.target.wants/ringboot-keeper.service") {
		t.Error("the keeper is not enabled again")
	}
}

// A script that fails would leave the package half installed.
func TestNoScriptFails(t *testing.T) {
	x := newTarget(t)
	if err := os.WriteFile(filepath.Join(x.bin, "systemctl"), []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range Update("1", binary(""), day).Scripts {
		at := filepath.Join(x.bin, name)
		if err := os.WriteFile(at, script, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"configure", "install", "upgrade", "remove", "purge", "failed-upgrade", "abort-install", "abort-upgrade", "abort-remove", "disappear", ""} {
			for _, version := range []string{"", "1.0"} {
				cmd := exec.Command(at, word, version)
				cmd.Env = []string{"PATH=" + x.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "DPKG_ROOT=" + x.root}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s %s %s: %v\n%s", name, word, version, err, out)
				}
			}
		}
	}
	if fmt.Sprint(len(Update("1", binary(""), day).Scripts)) != "4" {
		t.Error("a script is missing")
	}
}
