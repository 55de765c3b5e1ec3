package form

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"ringboot/profiles/spelling"
)

// maxNodes bounds the work that aliases can cause: the largest sensible
// profile has a few hundred values.
const maxNodes = 20000

// maxProblems is more than anybody reads at once.
const maxProblems = 100

// place is where a value stands in the text.
type place struct{ line, col int }

// Reading walks a YAML tree along the types and collects every mistake
// instead of ending at the first.
type Reading struct {
	form     Form
	file     string
	places   map[string]place
	problems Problems
	visited  int
}

// maxText is more than any document needs; it bounds what the YAML parser is fed.
const maxText = 1 << 20

// Read fills a value from a text. The document that cannot be walked at all is an
// error; every other mistake is in the reading, to which the caller adds its own.
func (f Form) Read(name string, text []byte, into any) (*Reading, error) {
	fail := func(format string, args ...any) error {
		return Problems{{File: name, Text: fmt.Sprintf(format, args...)}}
	}
	if len(text) > maxText {
		return nil, fail("is larger than %d bytes; this is no profile", maxText)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fail("is empty; write one with mkimage init")
	} else if err != nil {
		return nil, syntaxProblem(name, err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxProblem(name, err)
		}
		return nil, Problems{{File: name, Line: second.Line, Col: second.Column, Text: "a second document begins here; a profile is one document"}}
	}
	r := &Reading{form: f, file: name, places: map[string]place{}}
	r.value(doc.Content[0], reflect.ValueOf(into).Elem(), "")
	return r, nil
}

// Written reports whether a key stands in the text.
func (r *Reading) Written(path string) bool { _, ok := r.places[path]; return ok }

// Err is every mistake, sorted by place; nil if there is none.
func (r *Reading) Err() error {
	if len(r.problems) == 0 {
		return nil
	}
	r.problems.sort()
	return r.problems
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// syntaxProblem gives yaml's message the form of ours.
func syntaxProblem(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		return Problems{{File: name, Line: line, Col: 1, Text: "this is not YAML: " + m[2]}}
	}
	return Problems{{File: name, Text: "this is not YAML: " + text}}
}

func (r *Reading) problem(n *yaml.Node, path, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Col: n.Column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (r *Reading) value(n *yaml.Node, v reflect.Value, path string) {
	if r.visited++; r.visited > maxNodes {
		if r.visited == maxNodes+1 {
			r.problem(n, path, "more than %d values; aliases multiply them: write the profile out", maxNodes)
		}
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	r.places[path] = place{n.Line, n.Column}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return // left out: the default stays
	}
	switch {
	case v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		r.text(n, v, path)
	case n.Kind == yaml.ScalarNode && n.Value != "" && n.Value == r.form.Words[Generic(path)].Text:
		v.Set(reflect.ValueOf(r.form.Words[Generic(path)].Means))
	case v.Kind() == reflect.Struct:
		r.mapping(n, v, path)
	case v.Kind() == reflect.Slice:
		r.list(n, v, path)
	default:
		r.scalar(n, v, path)
	}
}

func (r *Reading) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "keys and values are expected here, not %s", kindName(n))
		return
	}
	known := map[string]reflect.Value{}
	var names []string
	for _, f := range Fields(v.Type()) {
		name := Name(f)
		known[name] = v.FieldByIndex(f.Index)
		names = append(names, name)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		at := Join(path, k.Value)
		if line, twice := seen[k.Value]; twice {
			r.problem(k, at, "stands here for the second time, first in line %d; keep one", line)
			continue
		}
		seen[k.Value] = k.Line
		field, there := known[k.Value]
		if !there {
			hint := "; allowed: " + strings.Join(names, ", ")
			if near := spelling.Nearest(k.Value, names); near != "" {
				hint = "; did you mean " + near + "?"
			}
			if why := r.form.Refused(at); why != "" {
				hint = ": " + why
			}
			r.problem(k, at, "unknown key%s", hint)
			continue
		}
		r.value(val, field, at)
	}
}

func (r *Reading) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, path, "a list is expected here, not %s", kindName(n))
		return
	}
	k := r.form.Keys[Generic(path)]
	if k.Max > 0 && len(n.Content) > k.Max {
		r.problem(n, path, "has %d entries, at most %d are allowed", len(n.Content), k.Max)
		return
	}
	if len(n.Content) < k.Min {
		r.problem(n, path, "has %d entries, at least %d are needed", len(n.Content), k.Min)
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		r.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

// text reads an address or a prefix.
func (r *Reading) text(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		r.problem(n, path, "one value is expected here, not %s", kindName(n))
		return
	}
	if n.Value == "" {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		r.problem(n, path, "%q is not allowed%s", n.Value, r.form.Says(path, n.Value))
	}
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// fraction has three digits behind its point at most.
var fraction = regexp.MustCompile(`^(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?$`)

func (r *Reading) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		r.problem(n, path, "one value is expected here, not %s", kindName(n))
		return
	}
	k := r.form.Keys[Generic(path)]
	if k.Path == "" { // an entry of a list of words: its list has the rules
		k = r.form.Keys[strings.TrimSuffix(Generic(path), "[]")]
	}
	switch v.Kind() {
	case reflect.Bool:
		switch n.Value {
		case "true", "false":
			v.SetBool(n.Value == "true")
		default:
			r.problem(n, path, "%q is not allowed; write true or false", n.Value)
		}
	case reflect.Int:
		r.whole(n, v, path, k)
	case reflect.Float64:
		number, err := strconv.ParseFloat(n.Value, 64)
		if !fraction.MatchString(n.Value) || err != nil || number > float64(k.Max) || number < float64(k.Min) {
			r.problem(n, path, "%q is not allowed; write a number from %d to %d, such as 0.8", n.Value, k.Min, k.Max)
			return
		}
		v.SetFloat(number)
	case reflect.String:
		v.SetString(strings.TrimSpace(n.Value))
		if text := k.check(strings.TrimSpace(n.Value)); text != "" {
			r.problem(n, path, "%s", text)
		}
	}
}

// whole reads a whole number. YAML reads 0755 as an octal one; nobody means that here.
func (r *Reading) whole(n *yaml.Node, v reflect.Value, path string, k Key) {
	number, _ := strconv.Atoi(n.Value)
	switch {
	case !decimal.MatchString(n.Value):
		r.problem(n, path, "%q is not a whole number; write digits without a leading zero", n.Value)
	case k.Max == 0 && k.Min == 0 || number >= k.Min && number <= k.Max:
		v.SetInt(int64(number))
	case k.Min == k.Max:
		r.problem(n, path, "%d is not allowed; write %d", number, k.Min)
	default:
		r.problem(n, path, "%d is not allowed; write %d to %d", number, k.Min, k.Max)
	}
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return "the value " + quote(n.Value)
}

func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
