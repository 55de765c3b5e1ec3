// Package form fills in pages: the part of text/template's language that the
// agent's pages use, over the fields of a value.
//
// It takes the place of the standard packages because those call methods by
// their names. Where anything in a program does that, the linker keeps every
// exported method of every type, which is a fifth of the agent.
//
// A form knows if, else, end, range with and without variables, fields of
// the dot and of variables, strings, whole numbers, parentheses, the functions
// that it is given, and and, not, eq, ne. It knows no pipes, blocks,
// assignments or methods. Everything but a Raw passes through the escape.
package form

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"strings"
)

// Raw is text that is markup already: it is written as it is.
type Raw string

// Funcs are the functions that a form may call, by name. Each returns a value,
// or a value and an error.
type Funcs map[string]any

// Form is a parsed form. It may be filled in any number of times.
type Form struct {
	nodes  []node
	funcs  map[string]reflect.Value
	escape func(string) string
}

// Parse reads a form. escape makes a value's text safe where it stands; nil
// leaves it as it is.
func Parse(text string, funcs Funcs, escape func(string) string) (*Form, error) {
	if escape == nil {
		escape = func(s string) string { return s }
	}
	f := &Form{funcs: map[string]reflect.Value{}, escape: escape}
	all := Funcs{"not": func(v any) bool { return !truth(reflect.ValueOf(v)) }, "eq": equal, "ne": func(a, b any) bool { return !equal(a, b) }}
	maps.Copy(all, funcs)
	for name, fn := range all {
		v := reflect.ValueOf(fn)
		if v.Kind() != reflect.Func || v.Type().NumOut() < 1 || v.Type().NumOut() > 2 {
			return nil, fmt.Errorf("form: %s is no function that returns a value", name)
		}
		f.funcs[name] = v
	}
	p := &parser{items: split(text), funcs: f.funcs}
	nodes, end, err := p.list()
	if err == nil && end != "" {
		err = fmt.Errorf("%s without a beginning", end)
	}
	if err != nil {
		return nil, fmt.Errorf("form, line %d: %w", p.line(), err)
	}
	f.nodes = nodes
	return f, nil
}

// Fill writes the form with the value's fields. What is half written when
// something goes wrong is of no use.
func (f *Form) Fill(w io.Writer, value any) error {
	var out strings.Builder
	s := &state{form: f, out: &out}
	if err := s.run(f.nodes, reflect.ValueOf(value)); err != nil {
		return fmt.Errorf("form: %w", err)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// EscapeHTML makes text safe between tags and in quoted attributes. An address
// in an attribute must be one that the program made itself.
func EscapeHTML(s string) string { return escapeHTML.Replace(s) }

var escapeHTML = strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "'", "&#39;", "&", "&amp;", "<", "&lt;", ">", "&gt;", "+", "&#43;")
