package answer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"ringboot/profiles/spelling"
)

// Severity orders findings.
type Severity string

// Wrong makes the installer stop or do what was not meant; Risky works today
// and may not tomorrow; Note is worth knowing.
const (
	Wrong Severity = "error"
	Risky Severity = "risk"
	Note  Severity = "note"
)

// Finding is one thing that the linter has to say.
type Finding struct {
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"`
	Col      int      `json:"column,omitempty"`
	Path     string   `json:"path,omitempty"`
	Severity Severity `json:"severity"`
	// Later says of an error that the installer takes the file all the same: it
	// stops later, or does what was not meant.
	Later bool   `json:"later,omitempty"`
	Text  string `json:"text"`
}

func (f Finding) String() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Col)
	}
	if f.Path != "" {
		where += ": " + f.Path
	}
	return fmt.Sprintf("%s: %s: %s", where, f.Severity, f.Text)
}

// Report is the result of Lint.
type Report struct {
	Findings []Finding
	// Disks and NIC are what the installer would take on the machine of the
	// inventory; nil without one.
	Disks, NIC *Selection
}

// Wrong reports whether anything must be mended.
func (r Report) Wrong() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Wrong })
}

// linter collects findings about one document.
type linter struct {
	file    string
	v       Version
	doc     *document
	found   []Finding
	machine *Inventory
	locales spelling.Lists
	report  Report
}

// Lint checks an answer file for one version of the ISO, by the lists that this
// program has; machine may be nil.
func Lint(file string, text []byte, v Version, machine *Inventory) Report {
	return LintBy(spelling.Shipped(), file, text, v, machine)
}

// LintBy is Lint by the lists of an ISO.
func LintBy(locales spelling.Lists, file string, text []byte, v Version, machine *Inventory) Report {
	doc, bad := parse(text)
	if bad != nil {
		bad.File = file
		return Report{Findings: []Finding{*bad}}
	}
	l := &linter{file: file, v: v, doc: doc, machine: machine, locales: locales}
	l.keys()
	l.required()
	l.secrets()
	l.person()
	l.network()
	l.disks()
	l.rest()
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), strings.Compare(a.Text, b.Text))
	})
	l.report.Findings = l.found
	return l.report
}

// add reports at a path, or at the nearest parent that stands in the text.
func (l *linter) add(s Severity, path, format string, args ...any) {
	at := place{}
	for p := path; ; {
		if found, ok := l.doc.places[p]; ok {
			at = found
			break
		}
		if p = above(p); p == "" {
			break
		}
	}
	l.found = append(l.found, Finding{File: l.file, Line: at.line, Col: at.col, Path: path, Severity: s, Text: fmt.Sprintf(format, args...)})
}

// later reports an error that the installer does not see.
func (l *linter) later(path, format string, args ...any) {
	l.add(Wrong, path, format, args...)
	l.found[len(l.found)-1].Later = true
}

// keys checks every key of the text against the table of this version.
func (l *linter) keys() {
	byName, tables := map[string]key{}, map[string]bool{}
	var spellings []string
	for _, k := range knownKeys() {
		byName[k.path] = k
		byName[k.snake()] = k
		if k.unread(l.v) == "" {
			spellings = append(spellings, k.spelling(l.v))
		}
		for dir := k.path; strings.Contains(dir, "."); {
			dir = dir[:strings.LastIndexByte(dir, '.')]
			tables[dir] = true
		}
	}
	seen := map[string]string{}
	for _, path := range l.doc.paths {
		if parent := freeParent(path); parent != "" {
			continue // keys of a filter are checked with it
		}
		k, known := byName[path]
		if !known {
			if tables[path] {
				l.isTable(path)
			} else if !l.parentUnknown(path, byName, tables) {
				l.unknown(path, spellings)
			}
			continue
		}
		if first, twice := seen[k.path]; twice {
			l.add(Wrong, path, "is the same key as %s, and the installer refuses both together; keep %s", first, k.spelling(l.v))
		}
		seen[k.path] = path
		l.version(path, k)
		l.value(path, k)
	}
}

func freeParent(path string) string {
	for _, table := range []string{"network.filter", "disk-setup.filter", "network.interface-name-pinning.mapping"} {
		if strings.HasPrefix(path, table+".") {
			return table
		}
	}
	return ""
}

// parentUnknown reports whether the key stands in a table that was reported already.
func (l *linter) parentUnknown(path string, known map[string]key, tables map[string]bool) bool {
	parent := above(path)
	_, isKey := known[parent]
	return parent != "" && !isKey && !tables[parent]
}

func (l *linter) unknown(path string, spellings []string) {
	more := ""
	if near := hint(path, spellings); near != "" {
		more = "; did you mean " + near + "?"
	}
	l.add(Wrong, path, "unknown key, at which the installer stops%s", more)
}

// isTable reports a value where a table must be.
func (l *linter) isTable(path string) {
	if v, ok := l.doc.values[path]; ok {
		if _, isTable := v.(map[string]any); !isTable {
			l.add(Wrong, path, "must be a table")
		}
	}
}

func (l *linter) version(path string, k key) {
	if why := k.unread(l.v); why != "" {
		l.add(Wrong, path, "%s", why)
		return
	}
	want := k.spelling(l.v)
	if path == want {
		return
	}
	if strings.Contains(path[strings.LastIndexByte(path, '.')+1:], "_") {
		if l.v >= V90 {
			l.add(Note, path, "is the old spelling, which version %s still takes; write %s", l.v, want)
		}
		return
	}
	l.add(Wrong, path, "version %s knows only the old spelling; write %s", l.v, want)
}

func (l *linter) value(path string, k key) {
	v := l.doc.values[path]
	if _, isText := v.(string); !isText && k.path == "global.fqdn" {
		l.leased(path, v)
		return
	}
	switch k.kind {
	case word:
		l.word(path, k, v)
	case flag:
		if _, ok := v.(bool); !ok {
			l.add(Wrong, path, "must be true or false")
		}
	case words:
		list, ok := v.([]any)
		if !ok || slices.ContainsFunc(list, func(v any) bool { return !isText(v) }) {
			l.add(Wrong, path, "must be a list of texts")
		}
	case table:
		if _, ok := v.(map[string]any); !ok {
			l.add(Wrong, path, "must be a table")
		}
	case whole, number:
		l.number(path, k, v)
	}
}

func (l *linter) word(path string, k key, v any) {
	s, ok := v.(string)
	if !ok {
		l.add(Wrong, path, "must be text in quotes")
	} else if len(k.enum) > 0 && !k.allows(s, l.v) {
		more := ""
		if near := spelling.Nearest(s, k.enum); near != "" && !k.levels {
			more = "; did you mean " + near + "?"
		}
		l.add(Wrong, path, "%q is not known; allowed: %s%s", s, strings.Join(k.enum, ", "), more)
	}
}

// leased checks a name that DHCP is to give.
func (l *linter) leased(path string, v any) {
	list, isList := v.([]any)
	_, isTable := v.(map[string]any)
	switch {
	case isTable && l.v < V84:
		l.add(Wrong, path, "must be text before 8.4; write the whole name")
	case isList && l.v >= V84 && len(list) <= 2 && (len(list) == 0 || list[0] == "from-dhcp") && (len(list) < 2 || isText(list[1])):
		l.later(path, "is a list, which the installer takes for a name from DHCP; write the whole name in quotes")
	case !isTable:
		l.add(Wrong, path, "must be text in quotes")
	}
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (l *linter) number(path string, k key, v any) {
	var n float64
	switch x := v.(type) {
	case int64:
		n = float64(x)
		if k.kind == whole && (x < 0 || l.v >= V92 && x > math.MaxUint32) {
			l.add(Wrong, path, "%d is no number that the installer reads here", x)
			return
		}
	case float64:
		n = x
		if k.kind == whole {
			l.add(Wrong, path, "must be a whole number, without a point")
			return
		}
	default:
		l.add(Wrong, path, "must be a number")
		return
	}
	if !(n >= k.min && n <= k.max) {
		l.later(path, "%v is out of range %v to %v, which the installer does not check", n, k.min, k.max)
	}
}

func (l *linter) required() {
	for _, k := range knownKeys() {
		if k.required && k.unread(l.v) == "" && l.doc.get(k.path) == nil {
			if k.path == "network.source" && l.v < V92 {
				l.add(Note, k.path, "is missing; before 9.2 that means from-dhcp, later it is an error: write it")
				continue
			}
			l.add(Wrong, k.path, "is missing, and the installer stops without it")
		}
	}
}
