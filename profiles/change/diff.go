package change

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"ringboot/profiles"
)

// Difference is one key that another profile has otherwise.
type Difference struct {
	Key  string `json:"key"` // with the names of what it is about: nodes[frege].address
	Have string `json:"have,omitempty"`
	Want string `json:"want,omitempty"`
	When string `json:"when"` // of its row
	Why  string `json:"why"`  // of its row
	row  Row
	grew bool // by the node that is added, and by nothing else
}

// Refused reports whether the key may not change any more.
func (d Difference) Refused(settled bool) bool {
	switch d.row.When {
	case Always:
		return false
	case Forming:
		return settled
	case Grows:
		return settled && !d.grew || !settled && d.row.Keys == "nodes" // who founds a cluster is known before
	}
	return true
}

// Between lists what differs from one profile to another, in their order. Both
// must be resolved.
func Between(have, want *profiles.Profile) []Difference {
	var c comparison
	c.value(reflect.ValueOf(*have), reflect.ValueOf(*want), "", "")
	for i := range c.found {
		switch d := &c.found[i]; d.Key {
		case "nodes":
			d.grew = Added(have, want) != ""
		case "ring.ports":
			d.grew = Added(have, want) != "" && oneMorePort(have, want)
		}
	}
	return c.found
}

// Added is the node that another profile has behind all others, which stay as
// they are; "" where that is not the whole difference in nodes. What may not
// change of the others is another difference.
func Added(have, want *profiles.Profile) string {
	n := len(have.Nodes)
	if len(want.Nodes) != n+1 || !want.Nodes[n].Added || have.Ring.Transport != want.Ring.Transport {
		return ""
	}
	for i, old := range have.Nodes {
		if want.Nodes[i].Name != old.Name {
			return ""
		}
	}
	return want.Nodes[n].Name
}

// oneMorePort reports whether a mesh has the port that a node more asks for.
func oneMorePort(have, want *profiles.Profile) bool {
	n := len(have.Ring.Ports)
	return want.Transport().Ports == profiles.PerPeer && len(want.Ring.Ports) == n+1 && slices.Equal(want.Ring.Ports[:n], have.Ring.Ports)
}

type comparison struct{ found []Difference }

func (c *comparison) differs(key, shown, have, want string) {
	row, _ := Of(key)
	c.found = append(c.found, Difference{Key: shown, Have: have, Want: want, When: row.When.String(), Why: row.Why, row: row})
}

// value compares one value; key is its key in the table, shown names what it is about.
func (c *comparison) value(have, want reflect.Value, key, shown string) {
	_, isText := have.Interface().(encoding.TextMarshaler)
	switch {
	case isText || have.Kind() != reflect.Struct && have.Kind() != reflect.Slice:
		if h, w := text(have, key), text(want, key); have.Interface() != want.Interface() {
			if h == w {
				h, w = "", "another"
			}
			c.differs(key, shown, h, w)
		}
	case have.Kind() == reflect.Struct:
		for i := range have.NumField() {
			name := yamlName(have.Type().Field(i))
			if name == "-" { // a word in place of keys: the entry itself is another one
				c.word(have.Field(i).Bool(), want.Field(i).Bool(), strings.TrimSuffix(key, "[]"), shown)
				continue
			}
			c.value(have.Field(i), want.Field(i), join(key, name), join(shown, name))
		}
	case have.Type().Elem().Kind() != reflect.Struct || have.Type().Elem().Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		if h, w := words(have), words(want); !slices.Equal(h, w) {
			c.differs(key, shown, missing(h, w), missing(w, h))
		}
	case named(key):
		c.table(have, want, key, shown)
	default:
		c.list(have, want, key, shown)
	}
}

// word compares an entry that may be written as the word rest.
func (c *comparison) word(have, want bool, key, shown string) {
	said := map[bool]string{true: "rest", false: "a disk"}
	if have != want {
		c.differs(key, shown, said[have], said[want])
	}
}

// named reports whether the entries of a list are told by their names, not by their places.
func named(key string) bool { return key == "nodes" || key == "users" || key == "ha.affinity" }

// table compares a list of named entries. Which there are, and for nodes their
// order, is the list's own difference.
func (c *comparison) table(have, want reflect.Value, key, shown string) {
	h, w := names(have), names(want)
	if !slices.Equal(h, w) && (key == "nodes" || !slices.Equal(sorted(h), sorted(w))) {
		c.differs(key, shown, missing(h, w), missing(w, h))
	}
	for i, name := range h {
		if at := slices.Index(w, name); at >= 0 {
			c.value(have.Index(i), want.Index(at), key+"[]", shown+"["+name+"]")
		}
	}
}

// list compares a list of entries by their places.
func (c *comparison) list(have, want reflect.Value, key, shown string) {
	if have.Len() != want.Len() || have.IsNil() != want.IsNil() && have.Type() == reflect.TypeFor[profiles.DiskList]() {
		c.differs(key, shown, count(have), count(want))
		return
	}
	for i := range have.Len() {
		c.value(have.Index(i), want.Index(i), key+"[]", fmt.Sprintf("%s[%d]", shown, i))
	}
}

func count(list reflect.Value) string {
	if list.IsNil() {
		return "left out"
	}
	return fmt.Sprintf("%d entries", list.Len())
}

// text is a value as people read it; what is secret is not shown.
func text(v reflect.Value, key string) string {
	if key == "users[].password_hash" {
		return ""
	}
	if m, ok := v.Interface().(fmt.Stringer); ok && !v.IsZero() {
		return m.String()
	}
	if v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Int {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

func words(list reflect.Value) (out []string) {
	for i := range list.Len() {
		out = append(out, fmt.Sprint(list.Index(i).Interface()))
	}
	return out
}

func names(list reflect.Value) (out []string) {
	for i := range list.Len() {
		out = append(out, list.Index(i).FieldByName("Name").String())
	}
	return out
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// missing are the words of a list that another has not. Where only the order
// differs, it is the whole list.
func missing(list, from []string) string {
	out := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(from, s) })
	if len(out) == 0 && len(list) == len(from) {
		out = list // the order
	}
	return strings.Join(out, ", ")
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// yamlName is the key of a struct's field.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}
