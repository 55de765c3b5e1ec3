package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	text "text/template"
	"time"
)

//go:embed report.html.tmpl
var pageText string

//go:embed report.md.tmpl
var markdownText string

// JSON writes the report in its versioned form.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the report as JSON: %w", err)
	}
	return append(text, '\n'), nil
}

// Parse reads a report's JSON form.
func Parse(text []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	if r.Version != Version {
		return nil, fmt.Errorf("the report has version %d, this program reads %d: use the peers of the agent %s", r.Version, Version, r.Agent)
	}
	return &r, nil
}

// HTML writes the report as one page without outside resources.
func (r *Report) HTML() ([]byte, error) {
	v, err := newView(r)
	if err != nil {
		return nil, err
	}
	page, err := template.New("report").Funcs(template.FuncMap{
		"num":     v.data,
		"bytes":   v.bytesData,
		"drawing": func() template.HTML { return template.HTML(drawRing(&r.Ring, r.nodeNames())) },
		"line":    func() template.HTML { return template.HTML(drawTimeLine(r.HA.TimeLine)) },
		"mark":    mark, "word": Word, "clock": clock, "p": fmt.Sprintf, "join": strings.Join,
		"short": short, "drillName": drillName, "address": address, "linked": linked, "login": r.Login.text,
	}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("the report's page: %w", err)
	}
	return fill(page, r)
}

// Markdown writes the report as Markdown.
func (r *Report) Markdown() ([]byte, error) {
	v, err := newView(r)
	if err != nil {
		return nil, err
	}
	page, err := text.New("report").Funcs(text.FuncMap{
		"num":   v.text,
		"bytes": v.bytesText,
		"mark":  mark, "word": Word, "clock": clock, "p": fmt.Sprintf, "inc": inc, "join": strings.Join,
		"short": short, "drillName": drillName, "cell": cell, "login": r.Login.text,
	}).Parse(markdownText)
	if err != nil {
		return nil, fmt.Errorf("the report's Markdown: %w", err)
	}
	return fill(page, r)
}

// page is a template of either package.
type page interface {
	Execute(w io.Writer, value any) error
}

func fill(p page, r *Report) ([]byte, error) {
	var out bytes.Buffer
	if err := p.Execute(&out, r); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return out.Bytes(), nil
}

func (r *Report) nodeNames() []string {
	var names []string
	for _, n := range r.Cluster.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// view finds numbers by their path in the JSON form, so that the page cannot
// show a number that the JSON does not have.
type view struct{ tree any }

func newView(r *Report) (*view, error) {
	text, err := r.JSON()
	if err != nil {
		return nil, err
	}
	var v view
	if err := json.Unmarshal(text, &v.tree); err != nil {
		return nil, fmt.Errorf("read the report back: %w", err)
	}
	return &v, nil
}

// number looks a path up: names and indices, joined by dots.
func (v *view) number(path string) (float64, error) {
	at := v.tree
	for step := range strings.SplitSeq(path, ".") {
		switch node := at.(type) {
		case map[string]any:
			at = node[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(node) {
				return 0, fmt.Errorf("no %q in the report", path)
			}
			at = node[i]
		default:
			return 0, fmt.Errorf("no %q in the report", path)
		}
	}
	switch n := at.(type) {
	case float64:
		return n, nil
	case nil:
		return 0, nil // left out because it is zero
	}
	return 0, fmt.Errorf("%q of the report is no number", path)
}

func (v *view) text(path string, digits int, unit string) (string, error) {
	n, err := v.number(path)
	return quantity(n, digits, unit), err
}

func (v *view) data(path string, digits int, unit string) (template.HTML, error) {
	n, err := v.number(path)
	return datum(path, n, quantity(n, digits, unit)), err
}

func (v *view) bytesText(path string) (string, error) {
	n, err := v.number(path)
	return byteText(n), err
}

func (v *view) bytesData(path string) (template.HTML, error) {
	n, err := v.number(path)
	return datum(path, n, byteText(n)), err
}

func datum(path string, n float64, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<data value="%s" data-path="%s">%s</data>`,
		strconv.FormatFloat(n, 'g', -1, 64), template.HTMLEscapeString(path), template.HTMLEscapeString(text)))
}

// noBreak keeps a number and its unit on one line.
const noBreak = "\u00a0"

func quantity(n float64, digits int, unit string) string {
	text := strconv.FormatFloat(n, 'f', digits, 64)
	if unit == "" {
		return text
	}
	return text + noBreak + unit
}

// byteText writes a size as makers of disks do: powers of 1000, three digits.
func byteText(n float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e15, "PB"}, {1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n < u.size {
			continue
		}
		q := n / u.size
		return quantity(q, max(0, 2-int(math.Log10(q))), u.name)
	}
	return quantity(n, 0, "B")
}

func mark(outcome any) string {
	switch fmt.Sprint(outcome) {
	case "passed", "good", "true":
		return "✓"
	case "warnings", "slow", "warning":
		return "!"
	case "untried", "", "note":
		return "–"
	}
	return "✗"
}

// RisksOnce are the risks for people: what several nodes say stands once, with
// all their names.
func (r *Report) RisksOnce() (out []Risk) {
	for _, one := range r.Risks {
		i := slices.IndexFunc(out, func(o Risk) bool { return o.Text == one.Text })
		switch {
		case i < 0:
			out = append(out, one)
		case one.Node != "" && out[i].Node != "":
			out[i].Node += ", " + one.Node
		}
	}
	return out
}

// Word is how people say an outcome, a grade, or whether something holds.
func Word(outcome any) string {
	switch fmt.Sprint(outcome) {
	case "warnings":
		return "passed with warnings"
	case "untried", "":
		return "not tried"
	case "true":
		return "yes"
	case "false":
		return "no"
	}
	return fmt.Sprint(outcome)
}

// drillName is how a drill is called; a report of the first edition has names only.
func drillName(d Drill) string {
	if d.Title == "" {
		return d.Name
	}
	return d.Title
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

func inc(i int) int { return i + 1 }

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// cell makes text safe for a cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}

// webAddress finds the addresses in a text.
var webAddress = regexp.MustCompile(`https://[0-9A-Za-z.:/\[\]-]*[0-9A-Za-z/\]]`)

// linked is a text whose addresses can be followed.
func linked(s string) template.HTML {
	var b strings.Builder
	from := 0
	for _, at := range webAddress.FindAllStringIndex(s, -1) {
		to := template.HTMLEscapeString(s[at[0]:at[1]])
		b.WriteString(template.HTMLEscapeString(s[from:at[0]]) + `<a href="` + to + `">` + to + `</a>`)
		from = at[1]
	}
	b.WriteString(template.HTMLEscapeString(s[from:]))
	return template.HTML(b.String())
}

// address is where a link may lead: to a management interface and nowhere else.
func address(url string) string {
	if !strings.HasPrefix(url, "https://") {
		return "#"
	}
	return url
}
