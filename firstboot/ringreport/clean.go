package ringreport

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// cleaner takes out of a report by what a machine could be found. The same thing
// gets the same word everywhere, so that what belongs together can be seen.
type cleaner struct {
	serials []string
	names   map[string]string

	given map[string]string // by what was there
	count map[string]int    // by kind
}

var (
	uuidForm = regexp.MustCompile(`\b[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b`)
	macForm  = regexp.MustCompile(`\b([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b`)
	// addressForm finds what may be an address; whether it is one, its parser says:
	// places on the PCI bus and times of day have colons as well.
	addressForm = regexp.MustCompile(`[0-9A-Fa-f:.]{3,}`)
	mailForm    = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+`)
)

// shortest is the length from which a number is taken out wherever it stands;
// what firmware calls a serial number may be "1" or "None".
const shortest = 5

// all cleans every text of a report.
func (c *cleaner) all(r *Report) {
	c.given, c.count = map[string]string{}, map[string]int{}
	r.Machine.Serial, r.Machine.UUID = "", ""
	c.walk(reflect.ValueOf(r).Elem())
}

func (c *cleaner) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(c.text(v.String()))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.walk(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i))
		}
	}
}

// valid has a machine's name that is no text be one, the same wherever it stands.
func valid(s string) string { return strings.ToValidUTF8(s, "?") }

// text is what may be sent of a text.
func (c *cleaner) text(s string) string {
	s = valid(s)
	s = mailForm.ReplaceAllStringFunc(s, func(m string) string { return c.word("mail", m) })
	s = uuidForm.ReplaceAllStringFunc(s, func(m string) string { return c.word("uuid", strings.ToLower(m)) })
	s = macForm.ReplaceAllStringFunc(s, func(m string) string { return c.word("mac", strings.ToLower(m)) })
	s = addressForm.ReplaceAllStringFunc(s, func(m string) string {
		trimmed := strings.TrimRight(m, ".:")
		if a, err := netip.ParseAddr(trimmed); err == nil {
			return c.word("address", a.String()) + m[len(trimmed):]
		}
		return m
	})
	for _, number := range c.serials {
		number = valid(number)
		if len(number) >= shortest && strings.Contains(strings.ToLower(s), strings.ToLower(number)) {
			s = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(number)).ReplaceAllLiteralString(s, c.word("serial", number))
		}
	}
	for _, name := range longestFirst(c.names) {
		if name != "" {
			s = regexp.MustCompile(`(?i)(^|[^A-Za-z0-9])`+regexp.QuoteMeta(valid(name))+`($|[^A-Za-z0-9])`).ReplaceAllString(s, "${1}"+c.names[name]+"${2}")
		}
	}
	return s
}

// longestFirst are the names, so that one that another begins with does not
// spoil it.
func longestFirst(names map[string]string) []string {
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
}

// word stands in the place of one thing.
func (c *cleaner) word(kind, of string) string {
	if c.given[of] == "" {
		c.count[kind]++
		c.given[of] = fmt.Sprintf("%s-%d", kind, c.count[kind])
	}
	return c.given[of]
}
