package answer

import (
	"bytes"
	"strings"
)

// TOML 1.1 allows more than the installer's parser, which reads TOML 1.0. Our
// parser reads both, so what is new is looked for here: line breaks and a last
// comma in an inline table, and the escapes \e and \xHH.

// newer returns the place of the first thing that TOML 1.0 does not know, and
// what it is. The text has been parsed already, so it is well-formed.
func newer(text []byte) (at place, what string) {
	s := scanner{text: text, line: 1, col: 1}
	var open []byte // brackets of values, innermost last
	key := true     // a [ begins a table's header, not a list
	comma := false  // the last thing in an inline table was a comma
	for !s.done() {
		c, here := s.text[s.at], place{s.line, s.col}
		table := strings.HasSuffix(string(open), "{")
		switch {
		case c == '"' || c == '\'':
			if bad := s.quoted(); bad != "" {
				return here, bad
			}
			comma = false
			continue
		case c == '#':
			s.comment()
			continue
		case c == '\n' && table:
			return here, "a line break in an inline table"
		case c == '\n':
			key = len(open) == 0
		case c == '=':
			key = false
		case c == '}' && comma:
			return here, "a comma before the end of an inline table"
		default:
			open = brackets(open, c, key)
		}
		if c != ' ' && c != '\t' {
			comma = c == ',' && table
		}
		s.next(1)
	}
	return place{}, ""
}

// brackets opens or closes what a character does.
func brackets(open []byte, c byte, key bool) []byte {
	switch {
	case c == '{', c == '[' && !key:
		return append(open, c)
	case (c == '}' || c == ']') && len(open) > 0:
		return open[:len(open)-1]
	}
	return open
}

// scanner walks a text and counts lines.
type scanner struct {
	text          []byte
	at, line, col int
}

func (s *scanner) done() bool { return s.at >= len(s.text) }

func (s *scanner) next(n int) {
	for ; n > 0 && !s.done(); n-- {
		if s.text[s.at] == '\n' {
			s.line, s.col = s.line+1, 0
		}
		s.at++
		s.col++
	}
}

func (s *scanner) comment() {
	for !s.done() && s.text[s.at] != '\n' {
		s.next(1)
	}
}

// quoted walks over a text in quotes, of one or three, and returns an escape
// that TOML 1.0 lacks.
func (s *scanner) quoted() string {
	quote := s.text[s.at : s.at+1]
	triple := bytes.Repeat(quote, 3)
	end := quote
	if bytes.HasPrefix(s.text[s.at:], triple) {
		end = triple
	}
	s.next(len(end))
	bad := ""
	for !s.done() {
		rest := s.text[s.at:]
		switch {
		case rest[0] == '\\' && quote[0] == '"':
			if len(rest) > 1 && strings.IndexByte("ex", rest[1]) >= 0 && bad == "" {
				bad = `the escape \` + string(rest[1])
			}
			s.next(2)
			continue
		case bytes.HasPrefix(rest, end):
			s.next(len(end))
			// Up to two quotes may stand before the three that end a long text.
			for len(end) == 3 && !s.done() && s.text[s.at] == quote[0] {
				s.next(1)
			}
			return bad
		}
		s.next(1)
	}
	return bad
}
