package form

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
)

// item is a piece of a form: text, or what stands between the braces.
type item struct {
	text   string
	action bool
	line   int
}

// split cuts a form into its pieces. A minus within the braces takes the white
// space on its side away.
func split(text string) []item {
	var out []item
	line := 1
	for {
		before, rest, found := strings.Cut(text, "{{")
		at := line + strings.Count(before, "\n")
		if found && strings.HasPrefix(rest, "- ") {
			before = strings.TrimRightFunc(before, unicode.IsSpace)
		}
		out = append(out, item{text: before, line: line})
		if !found {
			return out
		}
		inner, after, _ := strings.Cut(rest, "}}")
		line = at + strings.Count(inner, "\n")
		if strings.HasSuffix(inner, " -") {
			kept := strings.TrimLeftFunc(after, unicode.IsSpace)
			line += strings.Count(after[:len(after)-len(kept)], "\n")
			after = kept
		}
		inner = strings.TrimSuffix(strings.TrimPrefix(inner, "- "), " -")
		out = append(out, item{text: strings.TrimSpace(inner), action: true, line: at})
		text = after
	}
}

// node is one thing that a form does.
type node struct {
	kind       kind
	text       string // of kindText
	expr       expr
	index, val string // variables of kindRange
	then, or   []node
}

type kind int

const (
	kindText kind = iota
	kindPrint
	kindIf
	kindRange
)

// parser reads the pieces of a form one after the other.
type parser struct {
	items []item
	at    int
	funcs map[string]reflect.Value
}

func (p *parser) line() int { return p.items[min(max(p.at-1, 0), len(p.items)-1)].line }

// list reads up to an else or an end that belongs to somebody else, or to the end.
func (p *parser) list() (out []node, end string, err error) {
	for p.at < len(p.items) {
		it := p.items[p.at]
		p.at++
		if !it.action {
			if it.text != "" {
				out = append(out, node{kind: kindText, text: it.text})
			}
			continue
		}
		word, rest, _ := strings.Cut(it.text, " ")
		switch word {
		case "end", "else":
			if rest != "" {
				return nil, "", fmt.Errorf("%q after %s", rest, word)
			}
			return out, word, nil
		case "if", "range":
			n, err := p.block(word, rest)
			if err != nil {
				return nil, "", err
			}
			out = append(out, n)
		default:
			e, err := p.expression(it.text)
			if err != nil {
				return nil, "", err
			}
			out = append(out, node{kind: kindPrint, expr: e})
		}
	}
	return out, "", nil
}

// block reads an if or a range to its end.
func (p *parser) block(word, head string) (n node, err error) {
	n.kind = kindIf
	if word == "range" {
		n.kind = kindRange
		if names, of, found := strings.Cut(head, ":="); found {
			first, second, both := strings.Cut(names, ",")
			if !both {
				return n, fmt.Errorf("range %s needs two variables", head)
			}
			n.index, n.val, head = strings.TrimSpace(first), strings.TrimSpace(second), of
		}
	}
	if n.expr, err = p.expression(head); err != nil {
		return n, err
	}
	end := ""
	if n.then, end, err = p.list(); err == nil && end == "else" {
		n.or, end, err = p.list()
	}
	if err == nil && end != "end" {
		err = fmt.Errorf("%s %s has no end", word, strings.TrimSpace(head))
	}
	return n, err
}

// expr is a term, or a function with its arguments.
type expr struct {
	literal  reflect.Value
	variable string   // "" is the dot
	fields   []string // of the dot or the variable
	call     string
	args     []expr
}

func (p *parser) expression(text string) (expr, error) {
	words, err := words(text)
	if err != nil {
		return expr{}, err
	}
	e, rest, err := p.command(words)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q after %s", strings.Join(rest, " "), text)
	}
	return e, err
}

// command reads a term or a call up to the closing parenthesis or the end.
func (p *parser) command(words []string) (expr, []string, error) {
	if len(words) == 0 {
		return expr{}, nil, errors.New("nothing between the braces")
	}
	if !isName(words[0]) {
		return p.term(words)
	}
	e := expr{call: words[0]}
	if _, ok := p.funcs[e.call]; !ok && e.call != "and" {
		return e, nil, fmt.Errorf("no function %s", e.call)
	}
	words = words[1:]
	for len(words) > 0 && words[0] != ")" {
		arg, rest, err := p.term(words)
		if err != nil {
			return e, nil, err
		}
		e.args, words = append(e.args, arg), rest
	}
	return e, words, nil
}

func (p *parser) term(words []string) (expr, []string, error) {
	word, rest := words[0], words[1:]
	switch {
	case word == "(":
		e, rest, err := p.command(rest)
		if err == nil && (len(rest) == 0 || rest[0] != ")") {
			err = errors.New("a parenthesis is not closed")
		}
		if err != nil {
			return e, nil, err
		}
		return e, rest[1:], nil
	case word[0] == '"':
		s, err := strconv.Unquote(word)
		return expr{literal: reflect.ValueOf(s)}, rest, err
	case word[0] == '.':
		return expr{fields: fields(word)}, rest, nil
	case word[0] == '$':
		name, path, _ := strings.Cut(word, ".")
		return expr{variable: name, fields: fields(path)}, rest, nil
	case word[0] >= '0' && word[0] <= '9':
		n, err := strconv.Atoi(word)
		return expr{literal: reflect.ValueOf(n)}, rest, err
	}
	return expr{}, nil, fmt.Errorf("%q is no value", word)
}

// fields cuts a path like .Cluster.Name into its names.
func fields(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' })
}

func isName(word string) bool { return unicode.IsLetter(rune(word[0])) }

// words cuts an expression at white space and parentheses, outside of strings.
func words(text string) (out []string, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := 1
		switch text[0] {
		case '(', ')':
		case '"':
			quoted, err := strconv.QuotedPrefix(text)
			if err != nil {
				return nil, fmt.Errorf("%s: a string is not closed", text)
			}
			n = len(quoted)
		default:
			if n = strings.IndexAny(text, " \t\n()"); n < 0 {
				n = len(text)
			}
		}
		out, text = append(out, text[:n]), text[n:]
	}
	return out, nil
}
