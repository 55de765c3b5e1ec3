// Package docs carries what the documents explain to the commands that show
// it. It holds no sentence of its own: sentences.md has them.
package docs

import (
	_ "embed"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed sentences.md
var sentences string

// Entry is one sentence with which a machine waits, and what to do.
type Entry struct {
	Section  string
	Sentence string // … stands for a name, a number or a reason
	Remedy   string
}

// Entries are all sentences, in the order of the document.
func Entries() []Entry {
	var out []Entry
	for _, e := range known() {
		out = append(out, e.Entry)
	}
	return out
}

// entry is an Entry with what finds it.
type entry struct {
	Entry
	pattern *regexp.Regexp
	length  int      // of what is said without the gaps
	words   []string // of that
}

var (
	row  = regexp.MustCompile("^\\| `(.*?)` \\| (.*) \\|$")
	word = regexp.MustCompile(`[A-Za-z]{3,}`)
)

// known are all entries.
var known = sync.OnceValue(func() []entry {
	var out []entry
	section := ""
	for line := range strings.Lines(sentences) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = title
		}
		if m := row.FindStringSubmatch(line); m != nil {
			literal := strings.ReplaceAll(m[1], "…", "")
			out = append(out, entry{Entry{section, m[1], m[2]}, pattern(m[1]), len(literal), words(literal)})
		}
	}
	return out
})

// most is how many entries an explanation has.
const most = 4

// Explain finds the entries for what somebody saw: those whose sentence is in
// the text, the most telling first; else the one that it is likest.
func Explain(text string) []Entry {
	type scored struct {
		Entry
		score int
	}
	text = strings.Join(strings.Fields(text), " ")
	seen := words(text)
	var exact []scored
	var like scored
	for _, e := range known() {
		if e.pattern.MatchString(text) {
			exact = append(exact, scored{e.Entry, e.length})
		}
		common := 0
		for _, w := range e.words {
			if slices.Contains(seen, w) {
				common++
			}
		}
		// Most of the one must be in the other.
		if share := 100 * common / max(len(e.words), 1); common >= 3 && share > max(like.score, 60) {
			like = scored{e.Entry, share}
		}
	}
	if len(exact) == 0 {
		if like.score == 0 {
			return nil
		}
		return []Entry{like.Entry}
	}
	slices.SortStableFunc(exact, func(a, b scored) int { return b.score - a.score })
	var out []Entry
	for _, s := range exact[:min(len(exact), most)] {
		out = append(out, s.Entry)
	}
	return out
}

// pattern finds a sentence in a text, whatever stands for its gaps.
func pattern(sentence string) *regexp.Regexp {
	parts := strings.Split(sentence, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(strings.TrimSpace(parts[i]))
	}
	return regexp.MustCompile(`(?i)` + strings.Join(parts, `.*`))
}

// words are the words of a text that tell it from others.
func words(text string) []string {
	var out []string
	for _, w := range word.FindAllString(strings.ToLower(text), -1) {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
