package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// alone is a machine of Debian, with the packages that the keeper stands on as
// empty ones.
func alone(t *testing.T) target {
	x := newTarget(t)
	for _, name := range []string{"iproute2", "kmod", "nftables", "udev", "ifupdown"} {
		x.install(Package{Name: name, Version: "1", Architecture: "all", Section: "net", Summary: "stands for " + name, Time: day})
	}
	return x
}

func keeperPackage(t *testing.T, version string) Package {
	t.Helper()
	p, err := Ringkeeper(version, binary("ringkeeper "+version), day)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Of the machine's own files a removal takes none; a purge takes keys and
// configuration, and leaves the floor of the ring.
func TestTheKeeperAloneIsInstalledUpdatedAndPurged(t *testing.T) {
	x := alone(t)
	if told, want := x.install(keeperPackage(t, "1.0")), []string{"daemon-reload", "try-restart ringkeeper.service"}; !slices.Equal(told, want) {
		t.Errorf("systemctl was told %q, want %q", told, want)
	}
	own := []string{"etc/ringkeeper/config.yaml", "etc/ringkeeper/paired.json", "var/lib/private/ringkeeper/ring.json", "var/lib/ringboot/ring.initramfs",
		"etc/systemd/system/multi-user.target.wants/ringkeeper.service"}
	floor := []string{"etc/network/interfaces.d/ringboot-ring", "etc/systemd/system/ringboot-ring@.service", "etc/udev/rules.d/90-ringboot-ring.rules",
		"etc/systemd/network/00-ringboot-en05.link", "etc/sysctl.d/90-ringboot-ring.conf", "etc/modules-load.d/ringboot-ring.conf", "etc/ringboot/ring.nft"}
	for _, path := range slices.Concat(own, floor) {
		x.write(path, "written by the keeper\n")
	}
	x.install(keeperPackage(t, "1.1"))
	if text, err := os.ReadFile(filepath.Join(x.root, RingkeeperPath)); err != nil || string(text) != "ringkeeper 1.1" {
		t.Errorf("the program is %q, %v", text, err)
	}
	x.dpkg("--remove", "ringboot-keeper")
	for _, path := range slices.Concat(own, floor) {
		if !x.has(path) {
			t.Errorf("a removal took /%s", path)
		}
	}
	x.install(keeperPackage(t, "1.1"))
	if told, want := x.dpkg("--purge", "ringboot-keeper"), []string{"stop ringkeeper.service", "daemon-reload", "daemon-reload", "reset-failed ringkeeper.service"}; !slices.Equal(told, want) {
		t.Errorf("systemctl was told %q, want %q", told, want)
	}
	page, err := os.ReadFile("../../docs/keeper.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range floor {
		if !x.has(path) {
			t.Errorf("a purge took /%s", path)
		}
		if !strings.Contains(string(page), "`/"+path+"`") {
			t.Errorf("keeper.md does not say that /%s stays", path)
		}
	}
	for _, path := range append(own, "usr/sbin/ringkeeper", "usr/lib/systemd/system/ringkeeper.service") {
		if x.has(path) {
			t.Errorf("/%s is left", path)
		}
	}
}

// A node of Ringboot has a keeper, and the same files.
func TestTheKeeperAloneDoesNotGoBesideAnAgent(t *testing.T) {
	x := alone(t)
	x.install(Agent("1.0", binary("agent"), day))
	file := filepath.Join(t.TempDir(), "keeper.deb")
	if err := os.WriteFile(file, build(t, keeperPackage(t, "1.0")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("dpkg", "--root="+x.root, "--force-not-root", "--force-bad-path", "--log=/dev/null", "--install", file).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "conflicting packages") || x.has("usr/sbin/ringkeeper") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheUnitOfTheKeeperAlone(t *testing.T) {
	need.Tools(t, "systemd-analyze:systemd")
	if score := exposure(t, "ringkeeper/"+RingkeeperUnit); score > 2.0 {
		t.Errorf("systemd-analyze security gives the keeper %.1f, want at most 2.0", score)
	}
	for name, script := range keeperPackage(t, "1").Scripts {
		for _, word := range []string{"configure", "upgrade", "remove", "purge", "abort-install", ""} {
			cmd := exec.Command("sh", "-s", word)
			cmd.Stdin = strings.NewReader(string(script))
			cmd.Env = []string{"PATH=/usr/bin:/bin", "DPKG_ROOT=" + t.TempDir()}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", name, word, err, out)
			}
		}
	}
}

// A path in a unit is looked at before the unit starts, and a look at a cluster's
// file system that hangs does not come back.
func TestNoUnitNamesTheClustersFileSystem(t *testing.T) {
	units, err := filepath.Glob("files/*.service")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("files/*/*.service")
	if err != nil || len(units) < 3 || len(more) == 0 {
		t.Fatalf("%v %v %v", units, more, err)
	}
	for _, unit := range append(units, more...) {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "Paths=") && strings.Contains(line, "/etc/pve") {
				t.Errorf("%s: %s", unit, line)
			}
		}
	}
}
