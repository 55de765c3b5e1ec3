// Package form reads a YAML document that a table of keys describes: every
// mistake at once, with its place and what to write instead, and it draws the
// JSON Schema of the same table. What the document is about it does not know.
package form

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ringboot/profiles/spelling"
)

// Form is what a document may hold.
type Form struct {
	Keys map[string]Key // by path
	// Words stand for a whole table of keys, by the path of that.
	Words map[string]Word
	// Refused is why there is no such key, or "".
	Refused func(path string) string
	// Says is what to write where the text of a path could not be read.
	Says func(path, value string) string
}

// Word is a word in the place of a table of keys, and the value that it means.
type Word struct {
	Text  string
	Means any
}

// Key says what one key may hold.
type Key struct {
	Path     string // nodes[].address
	Doc      string // one or two sentences for the reference
	Enum     []string
	Pattern  string // regular expression of the whole value
	Says     string // the pattern in words, for the message
	Min, Max int    // of a number; both 0: no limit. Of a list: its length
	Number   bool   // a word that may be a number as well
	Required bool   // must be in the text and not empty
	// Rule says what is wrong with a value that has the pattern's form, or "";
	// it replaces the pattern's own message.
	Rule func(string) string
	// Taken says what is wrong with a value that has the right form, or "".
	Taken func(string) string
}

// check returns what is wrong with a scalar value, or "".
func (k Key) check(value string) string {
	if value == "" {
		return ""
	}
	if k.Rule != nil {
		return k.Rule(value)
	}
	if len(k.Enum) > 0 {
		for _, e := range k.Enum {
			if e == value {
				return ""
			}
		}
		text := quote(value) + " is not known; allowed: " + strings.Join(k.Enum, ", ")
		if near := spelling.Nearest(value, k.Enum); near != "" {
			text += "; did you mean " + near + "?"
		}
		return text
	}
	if k.Pattern != "" && !matches(k.Pattern, value) {
		return quote(value) + " is not allowed; write " + k.Says
	}
	if k.Taken != nil {
		return k.Taken(value)
	}
	return ""
}

// compiled are the patterns that were asked for, by their text: a profile is read
// more often than there are keys.
var compiled sync.Map

// matches reports whether a pattern is that of the whole value.
func matches(pattern, value string) bool {
	re, ok := compiled.Load(pattern)
	if !ok {
		re, _ = compiled.LoadOrStore(pattern, regexp.MustCompile(`^(?:`+pattern+`)$`))
	}
	return re.(*regexp.Regexp).MatchString(value)
}

func quote(s string) string { return `"` + s + `"` }

var index = regexp.MustCompile(`\[\d+\]`)

// Generic turns nodes[2].address into nodes[].address.
func Generic(path string) string { return index.ReplaceAllString(path, "[]") }

// Name is the key of a struct's field.
func Name(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// Fields are those of a struct that have a key, in their order.
func Fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return Name(f) == "-" })
}
