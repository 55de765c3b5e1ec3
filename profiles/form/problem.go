package form

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles/fault"
)

// Problem is one mistake in a document.
type Problem struct {
	File      string
	Line, Col int    // from 1; 0 where the text has no such place
	Path      string // nodes[1].address
	Text      string // what is wrong, what is allowed, how to mend it
}

func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
	}
	if p.Path == "" {
		return where + ": " + p.Text
	}
	return where + ": " + p.Path + ": " + p.Text
}

// Problems is the error of a reading: every mistake of the text at once, sorted by place.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Fault is the kind of the error.
func (ps Problems) Fault() fault.Kind { return fault.Profile }

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
}
