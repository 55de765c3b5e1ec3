// Package mutation_test tries the tests: it breaks the product in one place, a
// planted fault or a mutant of one line, and sees whether a test finds it. The
// tree stays as it is, because the compiler is handed the broken file in an
// overlay. How much a mutation score is worth is said in docs/verification.md.
package mutation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is the tree, as seen from this room.
const root = "../.."

// What becomes of a broken product: a mutant that does not compile is none.
const (
	found     = "found"
	survived  = "survived"
	stillborn = "stillborn"
)

// Of one attempt: the tests' own, and of compiling them besides.
const (
	testLimit  = time.Minute
	buildLimit = 4 * time.Minute
)

// tests are those that are to find what is broken.
type tests struct {
	pkg  string
	run  string // "": all of the package
	long bool   // with those that make check leaves out
}

// attempt runs tests with one file replaced, or none where file is "", and says
// what became of it and what go said.
func attempt(t *testing.T, file, text string, how tests) (outcome, said string) {
	t.Helper()
	argv := []string{"test", "-vet=off", "-timeout", testLimit.String()}
	if !how.long {
		argv = append(argv, "-short")
	}
	if how.run != "" {
		argv = append(argv, "-run", "^"+how.run+"$")
	}
	if file != "" {
		argv = append(argv, "-count=1", "-overlay", overlay(t, file, text))
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit+buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append(argv, "./"+how.pkg)...)
	cmd.Dir, cmd.Env = root, environment()
	// A mutant may turn in a circle, and its process is not go's own.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	said = string(out)
	switch {
	case t.Context().Err() != nil:
		t.Fatal("interrupted")
	case strings.Contains(said, "[build failed]") || strings.Contains(said, "[setup failed]"):
		return stillborn, said
	case err == nil:
		return survived, said
	case ctx.Err() == nil && !strings.Contains(said, "FAIL"):
		t.Fatalf("go test of %s could not run: %v: %s", how.pkg, err, said)
	}
	return found, said
}

// environment is what a test sees when it runs by itself: a short one, and the
// same sample each time.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "RINGBOOT_MATRIX=") || strings.HasPrefix(v, "RINGBOOT_REPLAY=") || strings.HasPrefix(v, "RINGBOOT_SEED=")
	})
}

// overlay writes what -overlay reads: text in the place of file.
func overlay(t *testing.T, file, text string) string {
	t.Helper()
	dir := t.TempDir()
	whole, err := filepath.Abs(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, filepath.Base(file))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {whole: broken}})
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "overlay.json")
	for path, content := range map[string][]byte{broken: []byte(text), at: list} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

// sound sees that tests pass while nothing is broken: else they would find
// everything.
func sound(t *testing.T, how tests) {
	t.Helper()
	if outcome, said := attempt(t, "", "", how); outcome != survived {
		t.Fatalf("%s %s fails while nothing is broken: %s", how.pkg, how.run, said)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// picked are what somebody looks at some of: faults of which the name has that
// text, so many mutants, or those of one room.
const (
	pickedFault = "RINGBOOT_FAULT"
	pickedCount = "RINGBOOT_MUTANTS"
	pickedRoom  = "RINGBOOT_ROOM"
)

// whole reports whether all is to be tried, as in make figures.
func whole() bool {
	return os.Getenv("RINGBOOT_MATRIX") == "all" && os.Getenv(pickedFault)+os.Getenv(pickedCount)+os.Getenv(pickedRoom) == ""
}

// shuffled mixes a list, by RINGBOOT_SEED.
func shuffled[T any](t *testing.T, all []T) []T {
	h := fnv.New64a()
	fmt.Fprint(h, os.Getenv("RINGBOOT_SEED"), t.Name())
	rnd := rand.New(rand.NewSource(int64(h.Sum64())))
	all = slices.Clone(all)
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// figureName marks the figures of a sample.
func figureName(name string) string {
	if !whole() {
		return name + "_sample"
	}
	return name
}
