package matrix_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// A run of a matrix: a world of that seed, disturbed as planned.
type run struct {
	seed int64
	plan []crash
}

// String is the run as RINGBOOT_REPLAY takes it.
func (r run) String() string {
	text := strconv.FormatInt(r.seed, 10)
	for _, c := range r.plan {
		text += fmt.Sprintf(" %s@%d:%s", c.node, c.point, strings.ReplaceAll(c.mode, " ", "-"))
	}
	return text
}

func parseRun(text string) (run, error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return run{}, fmt.Errorf("a run is a seed and crashes, as %q", run{7, []crash{{"frege", 316, killed}}})
	}
	seed, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return run{}, err
	}
	r := run{seed: seed}
	for _, w := range words[1:] {
		node, rest, ok1 := strings.Cut(w, "@")
		number, mode, ok2 := strings.Cut(rest, ":")
		point, err := strconv.Atoi(number)
		mode = strings.ReplaceAll(mode, "-", " ")
		if !ok1 || !ok2 || err != nil || !slices.Contains(crashModes, mode) {
			return run{}, fmt.Errorf("%q is no crash: NODE@POINT:MODE, modes are %v", w, crashModes)
		}
		r.plan = append(r.plan, crash{node, point, mode})
	}
	return r, nil
}

// sampled are the runs of a matrix that are tried: all of them where
// RINGBOOT_MATRIX is "all", as in make figures, or where they are not more than
// budget; else a sample that differs with RINGBOOT_SEED, which CI derives from
// the commit and the time. The run of RINGBOOT_REPLAY is tried alone.
func sampled(t testing.TB, all []run, budget int) []run {
	t.Helper()
	if text := os.Getenv("RINGBOOT_REPLAY"); text != "" {
		r, err := parseRun(text)
		if err != nil {
			t.Fatalf("RINGBOOT_REPLAY: %v", err)
		}
		return []run{r}
	}
	return need.Drawn(t, all, budget)
}

// again is the command that tries a run once more.
func again(t testing.TB, r run) string {
	return fmt.Sprintf("RINGBOOT_REPLAY='%s' go test ./rehearsal/matrix -v -run '^%s$'", r, t.Name())
}

// budget is how many runs are tried: in make check, under the race detector,
// and else.
func budget(short, race, plain int) int {
	switch {
	case testing.Short():
		return short
	case raced:
		return race
	}
	return plain
}

// figureName marks the figures of a sample.
func figureName(name string, tried, all int) string {
	if tried < all {
		return name + "_sample"
	}
	return name
}

func TestARunIsReplayedAsItWas(t *testing.T) {
	r := run{3160, []crash{{"frege", 316, midTorn}, {"russell", 1, killed}}}
	got, err := parseRun(r.String())
	if err != nil || got.String() != r.String() || got.seed != r.seed || !slices.Equal(got.plan, r.plan) {
		t.Errorf("%s is read as %v: %v", r, got, err)
	}
	for _, bad := range []string{"", "7", "x frege@1:killed", "7 frege:killed", "7 frege@1:hit"} {
		if _, err := parseRun(bad); err == nil {
			t.Errorf("%q is taken for a run", bad)
		}
	}
}

func TestASampleDiffersWithItsSeed(t *testing.T) {
	var all []run
	for i := range 1000 {
		all = append(all, run{int64(i), []crash{{"frege", i, killed}}})
	}
	of := func(seed string) []run {
		t.Setenv("RINGBOOT_SEED", seed)
		return sampled(t, slices.Clone(all), 20)
	}
	a, b, same := of("a"), of("b"), of("a")
	text := func(list []run) string { return fmt.Sprint(list) }
	if len(a) != 20 || text(a) == text(b) || text(a) != text(same) {
		t.Errorf("samples of a, b and a again: %v %v %v", a, b, same)
	}
	t.Setenv("RINGBOOT_MATRIX", "all")
	if n := len(of("a")); n != 1000 {
		t.Errorf("all of the matrix are %d runs", n)
	}
	t.Setenv("RINGBOOT_REPLAY", "7 russell@12:power,-lost")
	if got := of("a"); len(got) != 1 || got[0].plan[0].node != "russell" {
		t.Errorf("replayed is %v", got)
	}
}
