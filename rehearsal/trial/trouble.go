package trial

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Trouble lets each place at which a room asks something of a machine fail, once:
// a program that cannot be started, a file that cannot be read or written, a node
// that does not answer.
type Trouble struct {
	// Of says which failures there are, by node and what is asked; nil: all.
	Of func(node, what string) bool

	had    map[string]bool
	failed []failure
}

// failure is one that happened, with its own word.
type failure struct{ node, what, word string }

// with is the failure of what a node is asked, nil where there is none.
func (t *Trouble) with(node, what string) error {
	if t == nil || t.Of != nil && !t.Of(node, what) {
		return nil
	}
	key := node + " " + place()
	if t.had[key] {
		return nil
	}
	if t.had == nil {
		t.had = map[string]bool{}
	}
	t.had[key] = true
	f := failure{node, what, fmt.Sprintf("trouble %d.", len(t.failed)+1)}
	t.failed = append(t.failed, f)
	return errors.New(f.word)
}

// place is the way through the agent to the present call.
func place() string {
	var at [64]uintptr
	frames := runtime.CallersFrames(at[:runtime.Callers(4, at[:])])
	var way []string
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "ringboot/firstboot/") {
			way = append(way, fmt.Sprintf("%s:%d", f.Function, f.Line))
		}
		if !more {
			return strings.Join(way, " ")
		}
	}
}

// Count is how many failures there were.
func (t *Trouble) Count() int { return len(t.failed) }

// Quiet are the failures of which no step of any node has told, each once: a
// program by its first two words, all else by what was asked.
func (t *Trouble) Quiet(of *Trial) string { return t.quiet(of.told) }

func (t *Trouble) quiet(told func(word string) bool) string {
	var out []string
	for _, f := range t.failed {
		if told(f.word) {
			continue
		}
		what := f.what
		if words := strings.Fields(what); words[0] == "run" {
			what = strings.Join(words[:min(3, len(words))], " ")
		}
		out = append(out, moment.ReplaceAllString(f.node+": "+what, "-TIME"))
	}
	slices.Sort(out)
	var b strings.Builder
	for _, line := range slices.Compact(out) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Sweep does something again and again, each time with another thing failing,
// until nothing does any more. It returns the failures that were not handed on,
// and what the last time came to.
func (t *Trial) Sweep(do func() error) (quiet string, last error) {
	all := &Trouble{}
	var said strings.Builder
	for range 500 {
		before := all.Count()
		t.Trouble = all
		last = t.Do(do)
		t.Trouble = nil
		if last != nil {
			said.WriteString(last.Error() + "\n")
		}
		if all.Count() == before {
			return all.quiet(func(word string) bool { return strings.Contains(said.String(), word) }), last
		}
	}
	return "", errors.New("it fails without end")
}

// Less is quiet failures without those of which another list tells, whichever
// node's they are.
func Less(quiet, than string) string {
	known := map[string]bool{}
	for line := range strings.Lines(than) {
		_, what, _ := strings.Cut(line, ": ")
		known[what] = true
	}
	var b strings.Builder
	for line := range strings.Lines(quiet) {
		if _, what, _ := strings.Cut(line, ": "); !known[what] {
			b.WriteString(line)
		}
	}
	return b.String()
}
