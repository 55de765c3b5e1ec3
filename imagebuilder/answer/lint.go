package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
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
	Text     string   `json:"text"`
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

// Wrong tells whether anything must be mended.
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
	report  Report
}

// Lint checks an answer file for one version of the ISO; machine may be nil.
func Lint(file string, text []byte, v Version, machine *Inventory) Report {
	doc, bad := parse(text)
	if bad != nil {
		bad.File = file
		return Report{Findings: []Finding{*bad}}
	}
	l := &linter{file: file, v: v, doc: doc, machine: machine}
	l.keys()
	l.required()
	l.secrets()
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
		cut := strings.LastIndexByte(p, '.')
		if cut < 0 {
			break
		}
		p = p[:cut]
	}
	l.found = append(l.found, Finding{File: l.file, Line: at.line, Col: at.col, Path: path, Severity: s, Text: fmt.Sprintf(format, args...)})
}

// keys checks every key of the text against the table of this version.
func (l *linter) keys() {
	byName, tables := map[string]key{}, map[string]bool{}
	var spellings []string
	for _, k := range knownKeys() {
		byName[k.path] = k
		if !k.noSnake {
			byName[k.snake()] = k
		}
		spellings = append(spellings, k.spelling(l.v))
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
			if !tables[path] && !l.parentUnknown(path, byName, tables) {
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

// parentUnknown tells whether the key stands in a table that was reported already.
func (l *linter) parentUnknown(path string, known map[string]key, tables map[string]bool) bool {
	cut := strings.LastIndexByte(path, '.')
	if cut < 0 {
		return false
	}
	parent := path[:cut]
	_, isKey := known[parent]
	return !isKey && !tables[parent]
}

func (l *linter) unknown(path string, spellings []string) {
	hint := ""
	if near := profiles.Nearest(path, spellings); near != "" {
		hint = "; did you mean " + near + "?"
	}
	l.add(Wrong, path, "unknown key, at which the installer stops%s", hint)
}

func (l *linter) version(path string, k key) {
	if k.since > l.v {
		l.add(Wrong, path, "is read from version %s on; %s stops at it: leave it out", k.since, l.v)
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
	if sub, isTable := v.(map[string]any); isTable && k.path == "global.fqdn" {
		if sub["source"] == nil {
			l.add(Wrong, path, `has no "source"; write from-dhcp, or the name as text`)
		}
		return
	}
	switch k.kind {
	case word:
		s, ok := v.(string)
		if !ok {
			l.add(Wrong, path, "must be text in quotes")
		} else if len(k.enum) > 0 && !slices.Contains(k.enum, s) {
			hint := ""
			if near := profiles.Nearest(s, k.enum); near != "" {
				hint = "; did you mean " + near + "?"
			}
			l.add(Wrong, path, "%q is not known; allowed: %s%s", s, strings.Join(k.enum, ", "), hint)
		}
	case flag:
		if _, ok := v.(bool); !ok {
			l.add(Wrong, path, "must be true or false")
		}
	case words:
		list, ok := v.([]any)
		if !ok || slices.ContainsFunc(list, func(v any) bool { _, isText := v.(string); return !isText }) {
			l.add(Wrong, path, "must be a list of texts")
		}
	case table:
		if _, ok := v.(map[string]any); !ok {
			l.add(Wrong, path, "must be a table")
		}
	case number:
		var n float64
		switch x := v.(type) {
		case int64:
			n = float64(x)
		case float64:
			n = x
		default:
			l.add(Wrong, path, "must be a number")
			return
		}
		if n < k.min || n > k.max {
			l.add(Wrong, path, "%v is out of range %v to %v, which the installer does not check", n, k.min, k.max)
		}
	}
}

func (l *linter) required() {
	for _, k := range knownKeys() {
		if k.required && l.doc.get(k.path) == nil {
			if k.path == "network.source" && l.v < V92 {
				l.add(Note, k.path, "is missing; before 9.2 that means from-dhcp, later it is an error: write it")
				continue
			}
			l.add(Wrong, k.path, "is missing, and the installer stops without it")
		}
	}
}
