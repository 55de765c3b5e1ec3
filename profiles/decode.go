package profiles

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"ringboot/profiles/spelling"
)

// six ends the names of keys that hold IPv6.
const six = "6"

// maxNodes bounds the work that aliases can cause: the largest sensible
// profile has a few hundred values.
const maxNodes = 20000

// maxProblems is more than anybody reads at once.
const maxProblems = 100

// restPath is where the word rest may stand for a disk.
const restPath = "nodes[].osd_disks[]"

// place is where a value stands in the text.
type place struct{ line, col int }

// decoder walks a YAML tree along the types and collects every mistake
// instead of ending at the first.
type decoder struct {
	file     string
	keys     map[string]key
	places   map[string]place
	problems Problems
	visited  int
}

func (d *decoder) problem(n *yaml.Node, path, format string, args ...any) {
	if len(d.problems) >= maxProblems {
		return
	}
	d.problems = append(d.problems, Problem{File: d.file, Line: n.Line, Col: n.Column, Path: path, Text: fmt.Sprintf(format, args...)})
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if d.visited++; d.visited > maxNodes {
		if d.visited == maxNodes+1 {
			d.problem(n, path, "more than %d values; aliases multiply them: write the profile out", maxNodes)
		}
		return
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.places[path] = place{n.Line, n.Column}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return // left out: the default stays
	}
	switch {
	case v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		d.text(n, v, path)
	case n.Kind == yaml.ScalarNode && n.Value == RestWord && generic(path) == restPath:
		v.Set(reflect.ValueOf(DiskName{Rest: true}))
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, path)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "keys and values are expected here, not %s", kindName(n))
		return
	}
	known := map[string]reflect.Value{}
	var names []string
	for _, f := range fields(v.Type()) {
		name := yamlName(f)
		known[name] = v.FieldByIndex(f.Index)
		names = append(names, name)
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		at := join(path, k.Value)
		if line, twice := seen[k.Value]; twice {
			d.problem(k, at, "stands here for the second time, first in line %d; keep one", line)
			continue
		}
		seen[k.Value] = k.Line
		field, there := known[k.Value]
		if !there {
			hint := "; allowed: " + strings.Join(names, ", ")
			if near := spelling.Nearest(k.Value, names); near != "" {
				hint = "; did you mean " + near + "?"
			}
			if why := refusal(at); why != "" {
				hint = ": " + why
			}
			d.problem(k, at, "unknown key%s", hint)
			continue
		}
		d.value(val, field, at)
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.problem(n, path, "a list is expected here, not %s", kindName(n))
		return
	}
	k := d.keys[generic(path)]
	if k.max > 0 && len(n.Content) > k.max {
		d.problem(n, path, "has %d entries, at most %d are allowed", len(n.Content), k.max)
		return
	}
	if len(n.Content) < k.min {
		d.problem(n, path, "has %d entries, at least %d are needed", len(n.Content), k.min)
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

// text reads an address or a prefix.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, path, "one value is expected here, not %s", kindName(n))
		return
	}
	if n.Value == "" {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		form := "an IPv4 address such as 10.203.3.11"
		switch {
		case strings.HasSuffix(path, "prefix"):
			form = "an IPv4 network such as 10.203.3.0/24"
		case strings.HasSuffix(path, "prefix"+six):
			form = "an IPv6 network such as 2001:db8::/64"
		case strings.HasSuffix(path, six):
			form = "an IPv6 address such as 2001:db8::11"
		}
		why := ""
		if slices.Contains([]string{"dhcp", "auto", "slaac"}, strings.ToLower(n.Value)) {
			why = ", because " + refusal("management.dhcp")
		}
		d.problem(n, path, "%q is not allowed%s; write %s", n.Value, why, form)
	}
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)

// fraction has three digits behind its point at most.
var fraction = regexp.MustCompile(`^(0|[1-9][0-9]{0,2})(\.[0-9]{1,3})?$`)

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, path, "one value is expected here, not %s", kindName(n))
		return
	}
	k := d.keys[generic(path)]
	if k.path == "" { // an entry of a list of words: its list has the rules
		k = d.keys[strings.TrimSuffix(generic(path), "[]")]
	}
	switch v.Kind() {
	case reflect.Bool:
		switch n.Value {
		case "true", "false":
			v.SetBool(n.Value == "true")
		default:
			d.problem(n, path, "%q is not allowed; write true or false", n.Value)
		}
	case reflect.Int:
		// YAML reads 0755 as an octal number; nobody means that here.
		if !decimal.MatchString(n.Value) {
			d.problem(n, path, "%q is not a whole number; write digits without a leading zero", n.Value)
			return
		}
		number, _ := strconv.Atoi(n.Value)
		if (k.max > 0 || k.min > 0) && (number < k.min || number > k.max) {
			if k.min == k.max {
				d.problem(n, path, "%d is not allowed; write %d", number, k.min)
			} else {
				d.problem(n, path, "%d is not allowed; write %d to %d", number, k.min, k.max)
			}
			return
		}
		v.SetInt(int64(number))
	case reflect.Float64:
		number, err := strconv.ParseFloat(n.Value, 64)
		if !fraction.MatchString(n.Value) || err != nil || number > float64(k.max) || number < float64(k.min) {
			d.problem(n, path, "%q is not allowed; write a number from %d to %d, such as 0.8", n.Value, k.min, k.max)
			return
		}
		v.SetFloat(number)
	case reflect.String:
		v.SetString(strings.TrimSpace(n.Value))
		if text := k.check(strings.TrimSpace(n.Value)); text != "" {
			d.problem(n, path, "%s", text)
		}
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

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
