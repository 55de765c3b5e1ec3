// Package need says what a test needs of the machine that it runs on, and
// prints the figures that tests and benchmarks measure.
//
// On a user's machine a missing thing skips the test with a sentence that says
// what to install. In CI (CI=true) it fails the test: there nothing is skipped.
// It is imported by tests only.
package need

import (
	"fmt"
	"hash/fnv"
	"math/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// InCI reports whether nothing may be skipped.
func InCI() bool { return os.Getenv("CI") == "true" }

// Slow marks a test that takes more than a few seconds: "make check" leaves it out.
func Slow(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow: run by make test, left out by make check")
	}
}

// Root marks a test that needs root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "needs root: run the tests with sudo, or leave this one to CI")
	}
}

// Tools marks a test that runs programs. Each is "program" or
// "program:debian-package" where the two names differ.
func Tools(t testing.TB, tools ...string) {
	t.Helper()
	var absent []string
	for _, tool := range tools {
		program, pkg, found := strings.Cut(tool, ":")
		if !found {
			pkg = program
		}
		if _, err := exec.LookPath(program); err != nil {
			absent = append(absent, pkg)
		}
	}
	if len(absent) > 0 {
		missing(t, "needs programs that are not here: apt install "+strings.Join(absent, " "))
	}
}

// File marks a test that needs a file of a package.
func File(t testing.TB, path, pkg string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, fmt.Sprintf("needs %s: apt install %s", path, pkg))
	}
}

// Drawn are all that a test can try where RINGBOOT_MATRIX is "all", as in make
// figures, or where they are not more than budget; else as many as the budget
// has, which differ with RINGBOOT_SEED: CI derives it from the commit and the time.
func Drawn[T any](t testing.TB, all []T, budget int) []T {
	t.Helper()
	if os.Getenv("RINGBOOT_MATRIX") == "all" || len(all) <= budget {
		return all
	}
	seed := os.Getenv("RINGBOOT_SEED")
	h := fnv.New64a()
	fmt.Fprint(h, seed, t.Name())
	all = slices.Clone(all)
	rnd := rand.New(rand.NewSource(int64(h.Sum64())))
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	t.Logf("a sample of %d of %d, seed %q; RINGBOOT_MATRIX=all tries all", budget, len(all), seed)
	return all[:budget]
}

// Turn reports whether a test that is too long for every run in CI has its turn in
// this one: one of n has, by the seed. A run that leaves it to others says so.
func Turn(t testing.TB, n int) bool {
	t.Helper()
	turns := make([]bool, n)
	turns[0] = true
	if !InCI() || Drawn(t, turns, 1)[0] {
		return true
	}
	fmt.Printf("\nleft to another run, one of %d: %s\n", n, t.Name())
	return false
}

func missing(t testing.TB, sentence string) {
	t.Helper()
	if InCI() {
		t.Fatal("CI skips nothing: " + sentence)
	}
	t.Skip(sentence)
}

// Main runs a package's tests, or, where the environment names what to be, is
// that in a process of its own.
func Main(m *testing.M, env string, be func(what string) error) {
	what := os.Getenv(env)
	if what == "" {
		os.Exit(m.Run())
	}
	if err := be(what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Figure prints one measured number as "make figures" collects it. unit is a
// word: ratio, s, mib, count, percent, bytes_per_s.
func Figure(name string, value any, unit string) {
	if f, ok := value.(float64); ok {
		value = fmt.Sprintf("%.4g", f)
	}
	fmt.Printf("\nfigure %s %v %s\n", name, value, unit)
}
