package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// archive makes the archive of a target, with commands that only say who they are.
func archive(t *testing.T, dir, target string) (sum string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range []string{"mkimage", "peers"} {
		text := "#!/bin/sh\necho " + name + " " + target + "\n"
		if err := w.WriteHeader(&tar.Header{Name: "ringboot-v1-" + target + "/" + name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ringboot-v1-"+target+".tar.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b.Bytes()))
}

func fill(t *testing.T, dir string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), "../../.ci/templates/fill", dir, "v1", "https://releases.example").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return string(said)
}

// The formula names every archive with the sum that it has.
func TestTheFormulaNamesWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	archive(t, dir, "linux-amd64")
	if said := fill(t, dir); said != "no ringboot.rb: it needs the archive of darwin-amd64\n" {
		t.Errorf("said %q", said)
	}
	if _, err := os.Stat(filepath.Join(dir, "ringboot.rb")); err == nil {
		t.Error("there is a formula without its archives")
	}
	sums := map[string]string{}
	for _, target := range []string{"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"} {
		sums[target] = archive(t, dir, target)
	}
	if said := fill(t, dir); said != "" {
		t.Errorf("said %q", said)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ringboot.rb"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`url "https://releases\.example/ringboot-v1-([a-z0-9-]+)\.tar\.gz"\n +sha256 "([0-9a-f]{64})"`).FindAllStringSubmatch(string(text), -1)
	if len(found) != len(sums) || strings.Contains(string(text), "@") {
		t.Fatalf("%d archives:\n%s", len(found), text)
	}
	for _, f := range found {
		if sums[f[1]] != f[2] {
			t.Errorf("%s has the sum %s, not %s", f[1], sums[f[1]], f[2])
		}
	}
	if ruby, err := exec.LookPath("ruby"); err == nil {
		if out, err := exec.CommandContext(t.Context(), ruby, "-c", filepath.Join(dir, "ringboot.rb")).CombinedOutput(); err != nil {
			t.Errorf("ruby: %v: %s", err, out)
		}
	}
}

// The lines with which a container is built take the archive that was made, and
// no other.
func TestTheContainerFileTakesItsArchiveOnly(t *testing.T) {
	dir := t.TempDir()
	archive(t, dir, "linux-amd64")
	fill(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, "Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	// What stands in the file, run here, in a place of its own.
	bin := t.TempDir()
	script := ""
	for _, m := range regexp.MustCompile(`(?m)^ARG (\w+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		script += m[1] + "=" + m[2] + "\n"
	}
	_, run, ok := strings.Cut(string(text), "RUN echo ")
	run, _, ended := strings.Cut(run, "\nENV ")
	if !ok || !ended || strings.Contains(string(text), "@") {
		t.Fatalf("%s", text)
	}
	script += strings.NewReplacer("/tmp/", dir+"/", "/usr/local/bin", bin).Replace("echo " + run)
	build := func() error {
		out, err := exec.CommandContext(t.Context(), "sh", "-euc", script).CombinedOutput()
		t.Logf("%s", out)
		return err
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "mkimage")).Output(); err != nil || string(out) != "mkimage linux-amd64\n" {
		t.Errorf("%q %v", out, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ringboot-v1-linux-amd64.tar.gz"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if build() == nil {
		t.Error("another archive was taken")
	}
}

// The whole of it, for one target: what is said to be there is there, and runs.
func TestDistIsWhole(t *testing.T) {
	need.Slow(t)
	needAgent(t)
	need.Tools(t, "git", "dpkg-deb:dpkg", "jq", "sha256sum:coreutils")
	dir := filepath.Join(t.TempDir(), "dist")
	cmd := exec.CommandContext(t.Context(), "../../.ci/dist", dir)
	cmd.Env = append(os.Environ(), "TARGETS=linux/amd64")
	said, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(said), "made: "+dir+" (7 files)\n") {
		t.Fatalf("%v\n%s", err, said)
	}
	in := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	in("sha256sum", "--quiet", "-c", "SHA256SUMS")
	for _, name := range []string{"ringboot-tools", "ringboot-keeper"} {
		packages, err := filepath.Glob(filepath.Join(dir, name+"_*_amd64.deb"))
		if err != nil || len(packages) != 1 {
			t.Fatal(packages, err)
		}
		if got := strings.TrimSpace(in("dpkg-deb", "--field", packages[0], "Package")); got != name {
			t.Errorf("package %q", got)
		}
	}
	keepers, err := filepath.Glob(filepath.Join(dir, "ringkeeper-*-linux-amd64"))
	if err != nil || len(keepers) != 1 {
		t.Fatal(keepers, err)
	}
	if out := in(keepers[0], "pair", "--help"); !strings.Contains(out, "code of six digits") {
		t.Errorf("the keeper alone says %s", out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tar.gz"))
	if err != nil || len(archives) != 1 {
		t.Fatal(archives, err)
	}
	in("tar", "-xzf", archives[0], "--strip-components=1")
	for _, name := range []string{"README.md", "docs/cluster-setup.md", "docs/pictures/page.png", "ansible/site.yml", "texts/man1/mkimage.1", "texts/zsh-completion/_peers"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if out := in("./mkimage", "--node", "frege", "--dry-run", "--iso", "practice"); !strings.Contains(out, "ERASES:") {
		t.Errorf("the mkimage of the archive says %s", out)
	}
}
