package deb

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

var day = time.Date(2025, 8, 5, 10, 48, 40, 0, time.UTC)

func seedFiles() map[string][]byte {
	return map[string][]byte{
		"/etc/ringboot/seed.json": []byte("{}\n"),
		"/etc/ringboot/node.key":  []byte("key\n"),
	}
}

func seed(t *testing.T) Package {
	t.Helper()
	p, err := Seed("/etc/ringboot", "frege", strings.Repeat("0a", 32), seedFiles(), day)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func build(t *testing.T, p Package) []byte {
	t.Helper()
	b, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameFilesSameBytes(t *testing.T) {
	for range 20 { // maps are walked in random order
		if !bytes.Equal(build(t, seed(t)), build(t, seed(t))) {
			t.Fatal("two builds differ")
		}
	}
}

func TestFileNamesPassTheInstallersShell(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Agent("v1.2.0-3-gabc123-dirty", nil, day).FileName(), "ringboot_1.2.0-3-gabc123-dirty_amd64.deb"},
		{Agent("dev", nil, day).FileName(), "ringboot_0~dev_amd64.deb"},
		{Agent("feature/X y", nil, day).FileName(), "ringboot_0~feature.x.y_amd64.deb"},
		{Agent("b462dce", nil, day).FileName(), "ringboot_0~b462dce_amd64.deb"},
		{seed(t).FileName(), "ringboot-seed_1+0a0a0a0a0a0a.frege_all.deb"},
	} {
		if test.got != test.want {
			t.Errorf("file name %s, want %s", test.got, test.want)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Package)
		want   string
	}{
		{"a name with a space", func(p *Package) { p.Name = "ring boot" }, `package name "ring boot": only lower-case letters`},
		{"a version of letters", func(p *Package) { p.Version = "dev" }, `package version "dev": dpkg wants a digit first`},
		{"a strange architecture", func(p *Package) { p.Architecture = "arm64" }, `package architecture "arm64" is neither`},
		{"a path twice", func(p *Package) { p.Entries = append(p.Entries, p.Entries[0]) }, "is there twice"},
		{"a path that climbs", func(p *Package) { p.Entries[0].Path = "/etc/../root" }, "is no clean absolute path"},
		{"a relative path", func(p *Package) { p.Entries[0].Path = "etc" }, "is no clean absolute path"},
	}
	for _, test := range tests {
		p := seed(t)
		test.change(&p)
		if _, err := p.Build(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := Seed("/etc/ringboot", "frege", strings.Repeat("0", 64), map[string][]byte{"/etc/shadow": nil}, day); err == nil {
		t.Error("a seed takes a file outside its directory")
	}
}

func TestDpkgReadsThePackages(t *testing.T) {
	need.Tools(t, "dpkg-deb:dpkg")
	path := filepath.Join(t.TempDir(), "seed.deb")
	if err := os.WriteFile(path, build(t, seed(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	contents, err := exec.Command("dpkg-deb", "-c", path).CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg-deb -c: %v\n%s", err, contents)
	}
	for _, want := range []string{"drwxr-xr-x root/root", "drwx------ root/root", "-rw------- root/root", "./etc/ringboot/node.key"} {
		if !strings.Contains(string(contents), want) {
			t.Errorf("dpkg-deb -c lacks %q:\n%s", want, contents)
		}
	}
	control, err := exec.Command("dpkg-deb", "-I", path).CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg-deb -I: %v\n%s", err, control)
	}
	for _, never := range []string{"Depends", "postinst", "preinst", "conffiles"} {
		if strings.Contains(string(control), never) {
			t.Errorf("the package has %s:\n%s", never, control)
		}
	}
}

// TestTheInstallersDpkgTakesThem installs both packages into Debian 12 and 13
// with the flags of the Proxmox installer, in a chroot without systemd.
func TestTheInstallersDpkgTakesThem(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "debootstrap", "systemctl:systemd", "tar")
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			root := debian(t, suite)
			packages := filepath.Join(root, "tmp", "pkg")
			if err := os.MkdirAll(packages, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, p := range []Package{Agent("1.0", io.NewSectionReader(strings.NewReader("#!/bin/sh\nexit 1\n"), 0, 17), day), seed(t)} {
				if err := os.WriteFile(filepath.Join(packages, p.FileName()), build(t, p), 0o644); err != nil {
					t.Fatal(err)
				}
				inChroot(t, root, "dpkg", "--force-depends", "--no-triggers", "--unpack", "/tmp/pkg/"+p.FileName())
			}
			inChroot(t, root, "dpkg", "--force-confold", "--configure", "-a")
			for _, unit := range []string{AgentUnit} {
				out, err := exec.Command("systemctl", "--root="+root, "is-enabled", unit).CombinedOutput()
				if strings.TrimSpace(string(out)) != "enabled" {
					t.Errorf("%s is %s (%v), want enabled", unit, bytes.TrimSpace(out), err)
				}
			}
			key, err := os.Stat(filepath.Join(root, "etc/ringboot/node.key"))
			if err != nil || key.Mode().Perm() != 0o600 {
				t.Errorf("key of the node: %v, %v; want mode 0600", key, err)
			}
			// An agent that fails must neither stop update-grub nor write into its menu.
			if out := inChroot(t, root, "/etc/grub.d/45_ringboot"); len(out) > 0 {
				t.Errorf("the file in /etc/grub.d printed %q", out)
			}
			if out := inChroot(t, root, "dpkg", "--audit"); len(out) > 0 {
				t.Errorf("dpkg --audit: %s", out)
			}
			// The update comes later, on the node itself, and goes with a purge.
			update := Update("1.1", binary("#!/bin/sh\nexit 1\n"), day)
			if err := os.WriteFile(filepath.Join(packages, update.FileName()), build(t, update), 0o644); err != nil {
				t.Fatal(err)
			}
			inChroot(t, root, "dpkg", "--install", "/tmp/pkg/"+update.FileName())
			inChroot(t, root, "dpkg", "--purge", "ringboot", "ringboot-seed")
			if out := inChroot(t, root, "dpkg", "--audit"); len(out) > 0 {
				t.Errorf("dpkg --audit after the purge: %s", out)
			}
			if err := os.RemoveAll(packages); err != nil {
				t.Fatal(err)
			}
			if left := (target{t: t, root: root}).ours(); len(left) != 0 {
				t.Errorf("a purge leaves %q", left)
			}
		})
	}
}

func inChroot(t *testing.T, root string, argv ...string) []byte {
	t.Helper()
	cmd := exec.Command("chroot", append([]string{root}, argv...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	if argv[0] == "dpkg" && argv[1] != "--audit" {
		return nil
	}
	return out
}

// debian unpacks a minimal system of the suite. The first run makes it with
// debootstrap and keeps it as a tar file in the user's cache.
func debian(t *testing.T, suite string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "ringboot", "test")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(cache, "debian-"+suite+"-minbase.tar")
	root := t.TempDir()
	if _, err := os.Stat(kept); err != nil {
		out, err := exec.Command("debootstrap", "--variant=minbase", suite, root).CombinedOutput()
		if err != nil {
			t.Fatalf("debootstrap %s: %v\n%s", suite, err, tail(out))
		}
		unfinished := filepath.Join(cache, filepath.Base(root)+"-"+suite+".tar")
		defer os.Remove(unfinished)
		if out, err := exec.Command("tar", "-C", root, "--one-file-system", "-cf", unfinished, ".").CombinedOutput(); err != nil {
			t.Fatalf("keep %s: %v\n%s", suite, err, tail(out))
		}
		if err := os.Rename(unfinished, kept); err != nil {
			t.Fatal(err)
		}
		return root
	}
	if out, err := exec.Command("tar", "-C", root, "-xf", kept).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", kept, err, tail(out))
	}
	return root
}

func tail(out []byte) []byte {
	const last = 2000
	return out[max(0, len(out)-last):]
}

// The keeper stays for ever and listens: systemd itself scores how little it
// can do. The builder and the look for drift are not ordered after the web
// interface, which waits for quorum.
func TestUnits(t *testing.T) {
	need.Tools(t, "systemd-analyze:systemd")
	if score := exposure(t, "ringboot-keeper.service"); score > 2.0 {
		t.Errorf("systemd-analyze security gives the keeper %.1f, want at most 2.0", score)
	}
	if score := exposure(t, "ringboot-feel.service"); score > 1.0 {
		t.Errorf("systemd-analyze security gives what feels for the keeper %.1f, want at most 1.0", score)
	}
	for _, unit := range []string{"ringboot.service", "ringboot-keeper.service", "ringboot-feel.service", "ringboot-drift.service", "ringboot-tell.service", "ringboot-order.service"} {
		text, err := os.ReadFile("files/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if key, _, _ := strings.Cut(line, "="); (key == "After" || key == "Wants" || key == "Requires") && strings.Contains(line, "pvepro") {
				t.Errorf("%s waits for the web interface: %s", unit, line)
			}
			if strings.Contains(line, "/etc/pve") && !strings.HasPrefix(line, "#") {
				t.Errorf("systemd would wait for an /etc/pve that hangs before it starts %s: %s", unit, line)
			}
		}
		// What the builder starts mounts for others to see, and installs packages.
		for _, never := range []string{"Protect", "Private", "ReadWritePaths", "UMask"} {
			if unit == "ringboot.service" && strings.Contains(string(text), "\n"+never) {
				t.Errorf("%s sets %s", unit, never)
			}
		}
		for _, bound := range []string{"MemoryMax=", "TasksMax=", "LimitCORE=0", "UMask=0077"} {
			if bound == "UMask=0077" && unit == "ringboot.service" {
				continue
			}
			if !strings.Contains(string(text), "\n"+bound) {
				t.Errorf("%s has no %s", unit, bound)
			}
		}
	}
}

var exposed = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

func exposure(tb testing.TB, unit string) float64 {
	tb.Helper()
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "files/"+unit).CombinedOutput()
	m := exposed.FindSubmatch(out)
	if m == nil {
		tb.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	score, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		tb.Fatal(err)
	}
	return score
}

func BenchmarkKeeperSecurity(b *testing.B) {
	need.Tools(b, "systemd-analyze:systemd")
	for b.Loop() {
		need.Figure("keeper.security_score", exposure(b, "ringboot-keeper.service"), "of_10")
	}
}
