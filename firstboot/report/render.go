package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/form"
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
	return fill(pageText, r, form.EscapeHTML, form.Funcs{
		"num":     v.data,
		"bytes":   v.bytesData,
		"drawing": func() form.Raw { return form.Raw(drawRing(&r.Ring, r.nodeNames())) },
		"line":    func() form.Raw { return form.Raw(drawTimeLine(r.HA.TimeLine)) },
		"mark":    mark, "word": word, "clock": clock, "p": fmt.Sprintf, "inc": inc, "join": strings.Join,
		"short": short, "drillName": drillName, "disks": ofOSD, "address": address,
	})
}

// Markdown writes the report as Markdown.
func (r *Report) Markdown() ([]byte, error) {
	v, err := newView(r)
	if err != nil {
		return nil, err
	}
	return fill(markdownText, r, nil, form.Funcs{
		"num":   v.text,
		"bytes": v.bytesText,
		"mark":  mark, "word": word, "clock": clock, "p": fmt.Sprintf, "inc": inc, "join": strings.Join,
		"short": short, "drillName": drillName, "cell": cell,
	})
}

func fill(text string, r *Report, escape func(string) string, funcs form.Funcs) ([]byte, error) {
	page, err := form.Parse(text, funcs, escape)
	if err != nil {
		return nil, fmt.Errorf("the report's page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Fill(&out, r); err != nil {
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

func (v *view) data(path string, digits int, unit string) (form.Raw, error) {
	n, err := v.number(path)
	return datum(path, n, quantity(n, digits, unit)), err
}

func (v *view) bytesText(path string) (string, error) {
	n, err := v.number(path)
	return byteText(n), err
}

func (v *view) bytesData(path string) (form.Raw, error) {
	n, err := v.number(path)
	return datum(path, n, byteText(n)), err
}

func datum(path string, n float64, text string) form.Raw {
	return form.Raw(fmt.Sprintf(`<data value="%s" data-path="%s">%s</data>`,
		strconv.FormatFloat(n, 'g', -1, 64), form.EscapeHTML(path), form.EscapeHTML(text)))
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

func word(outcome any) string {
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

func drillName(name string) string {
	names := map[string]string{
		DrillManagement: "Management path", DrillCorosync: "Corosync links", DrillBandwidth: "Ring bandwidth",
		DrillStorage: "Ceph write and read", DrillMigration: "Live migration", DrillMaintenance: "Planned maintenance", DrillPowerCut: "Power cut",
	}
	if n, ok := names[name]; ok {
		return n
	}
	return name
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

// address is where a link may lead: to a management interface and nowhere else.
func address(url string) string {
	if !strings.HasPrefix(url, "https://") {
		return "#"
	}
	return url
}

func ofOSD(role string) bool { return strings.HasPrefix(role, "osd.") }
