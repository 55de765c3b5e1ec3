package answer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxText bounds what the parser is fed; real answer files have a few kilobytes.
const maxText = 1 << 20

// document is a parsed answer file: values by path as written, and where they stand.
type document struct {
	values map[string]any // leaves; a table of strings is a leaf where the table of keys says so
	paths  []string       // in the order of the text
	places map[string]place
}

type place struct{ line, col int }

// parse reads TOML. A syntax error is returned with its place.
func parse(text []byte) (*document, *Finding) {
	if len(text) > maxText {
		return nil, &Finding{Severity: Wrong, Text: fmt.Sprintf("is larger than %d bytes; this is no answer file", maxText)}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // the installer's parser skips it
	if !utf8.Valid(text) {
		return nil, &Finding{Severity: Wrong, Line: 1, Col: 1, Text: "this is not UTF-8; save it as such"}
	}
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		f := &Finding{Severity: Wrong, Line: 1, Col: 1, Text: "this is not TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
		var de *toml.DecodeError
		if errors.As(err, &de) {
			f.Line, f.Col = de.Position()
		}
		if strings.Contains(f.Text, "at start of value") {
			f.Text += "; text stands in quotes"
		}
		return nil, f
	}
	if at, what := newer(text); what != "" {
		return nil, &Finding{Severity: Wrong, Line: at.line, Col: at.col, Text: "has " + what + ", which TOML 1.1 allows and the installer does not know"}
	}
	d := &document{values: map[string]any{}, places: map[string]place{}}
	d.locate(text)
	d.flatten("", tree)
	return d, nil
}

// locate notes where each key stands. The text has been parsed once already,
// so an error here can only mean that places are missing, which is survivable.
func (d *document) locate(text []byte) {
	var p unstable.Parser
	p.Reset(text)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = d.key(&p, e, "")
		case unstable.KeyValue:
			d.key(&p, e, table)
			d.inline(&p, e, table)
		}
	}
}

// inline notes the keys of an inline table.
func (d *document) inline(p *unstable.Parser, e *unstable.Node, table string) {
	path := keyPath(e, table)
	if v := e.Value(); v != nil && v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			if n := it.Node(); n.Kind == unstable.KeyValue {
				d.key(p, n, path)
				d.inline(p, n, path)
			}
		}
	}
}

func keyPath(e *unstable.Node, table string) string {
	path := table
	for it := e.Key(); it.Next(); {
		path = join(path, string(it.Node().Data))
	}
	return path
}

// key notes the place of an expression's key, and of the tables on the way.
func (d *document) key(p *unstable.Parser, e *unstable.Node, table string) string {
	path := table
	for it := e.Key(); it.Next(); {
		path = join(path, string(it.Node().Data))
		if _, known := d.places[path]; !known {
			start := p.Shape(it.Node().Raw).Start
			d.places[path] = place{start.Line, start.Column}
			d.paths = append(d.paths, path)
		}
	}
	return path
}

// flatten collects leaves. Tables whose keys are free, filters and mappings, are leaves too.
func (d *document) flatten(path string, tree map[string]any) {
	for name, v := range tree {
		at := join(path, name)
		if sub, ok := v.(map[string]any); ok && !freeTable(at) {
			d.values[at] = sub
			d.flatten(at, sub)
			continue
		}
		d.values[at] = v
	}
}

func freeTable(path string) bool {
	return strings.HasSuffix(path, ".filter") || strings.HasSuffix(path, ".mapping")
}

// join appends a name to a path. One that has a dot in it is another name than
// two with a dot between them.
func join(path, name string) string {
	if strings.ContainsAny(name, `."`) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// above is the path of the table that a path stands in, "" at the top.
func above(path string) string {
	cut, quoted := 0, false
	for i := 0; i < len(path); i++ {
		switch {
		case quoted && path[i] == '\\':
			i++
		case path[i] == '"':
			quoted = !quoted
		case path[i] == '.' && !quoted:
			cut = i
		}
	}
	return path[:cut]
}

// text returns the value of a string key under either spelling.
func (d *document) text(k string) string {
	s, _ := d.get(k).(string)
	return s
}

// get returns a value under the kebab or the snake spelling of its path.
func (d *document) get(path string) any {
	if v, ok := d.values[path]; ok {
		return v
	}
	return d.values[key{path: path}.snake()]
}

// written is the path as the text spells it.
func (d *document) written(path string) string {
	if _, ok := d.values[path]; ok {
		return path
	}
	if s := (key{path: path}).snake(); d.values[s] != nil {
		return s
	}
	return path
}

// float returns a number under either spelling.
func (d *document) float(path string) (float64, bool) {
	switch x := d.get(path).(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

func (d *document) list(path string) []string {
	raw, _ := d.get(path).([]any)
	var out []string
	for _, v := range raw {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
