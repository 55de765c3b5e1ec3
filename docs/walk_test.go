package docs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringboot/rehearsal/need"
)

// TestTheStrangersWalk does what cluster-setup.md says, up to the machines: in
// a fresh clone, with a home that is empty. Then it makes the archives of a
// release in two clones, which must agree.
func TestTheStrangersWalk(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "git", "make", "dpkg-deb:dpkg", "jq")
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "some where else")
	clone(t, one)
	inside(t, one, "make")
	user := desk(t)
	steps := 0
	for _, b := range blocks(t, filepath.Join(one, "docs", "cluster-setup.md")) {
		if b.info != "sh" {
			continue
		}
		steps++
		if err := runs(t.Context(), filepath.Join(one, "build", "bin"), user, b); err != nil {
			t.Fatalf("%s: %v", b.at(), err)
		}
	}
	if steps < 5 {
		t.Errorf("the walk has %d steps only", steps)
	}
	clone(t, two)
	for _, c := range []string{one, two} {
		inside(t, c, "make", "dist", "TARGETS=linux/amd64")
	}
	differ := differences(t, filepath.Join(one, "build", "dist"), filepath.Join(two, "build", "dist"))
	need.Figure("dist.bytes_differ_on_rebuild", differ, "count")
	if differ != 0 {
		t.Errorf("two builds of one commit differ in %d bytes", differ)
	}
}

// clone makes a fresh clone of this repository at dir.
func clone(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat("../.git"); err != nil {
		if need.InCI() {
			t.Fatal("CI skips nothing: this is no clone")
		}
		t.Skip("this is no clone: the walk begins with git clone")
	}
	here, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	inside(t, here, "git", "-c", "safe.directory=*", "clone", "-q", here, dir)
}

// inside runs a program of the developer in a directory.
func inside(t *testing.T, dir string, words ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Dir = dir
	// A make above must not hand its own variables down.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "MAKE") && name != "MFLAGS" && name != "VERSION" && name != "TARGETS" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// differences counts the bytes in which two directories differ; a file that
// one of them lacks differs in all.
func differences(t *testing.T, a, b string) int {
	t.Helper()
	files := map[string]bool{}
	for _, dir := range []string{a, b} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			files[e.Name()] = true
		}
	}
	if len(files) < 4 {
		t.Errorf("a release has an archive, a package, a list of contents and checksums, this one %v", files)
	}
	n := 0
	for name := range files {
		x, errX := os.ReadFile(filepath.Join(a, name))
		y, errY := os.ReadFile(filepath.Join(b, name))
		if errX != nil || errY != nil {
			t.Errorf("%s: %v %v", name, errX, errY)
		}
		if bytes.Equal(x, y) {
			continue
		}
		for i := range max(len(x), len(y)) {
			if i >= len(x) || i >= len(y) || x[i] != y[i] {
				n++
			}
		}
	}
	return n
}

// named is a test that a document calls as a witness.
var named = regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Za-z0-9_]+)`")

// TestWitnessesExist holds verification.md against the tests that there are.
func TestWitnessesExist(t *testing.T) {
	tests := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || path == "../build") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("verification.md")
	if err != nil {
		t.Fatal(err)
	}
	found := named.FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		if !tests[m[1]] {
			t.Errorf("verification.md calls %s, which is no test", m[1])
		}
	}
	if len(found) < 30 {
		t.Errorf("verification.md has %d witnesses only", len(found))
	}
}
