package draw

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"ringboot/firstboot/status"
	"ringboot/profiles"
)

//go:embed page.html.tmpl
var pageText string

// Page draws the picture as one HTML page without outside resources, for
// screens of any size, light and dark. It carries nothing that the picture does
// not carry, and that is nothing secret.
func (p Picture) Page() ([]byte, error) {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Execute(&b, pageOf(p))
	return b.Bytes(), err
}

// pageData is the picture in the words of the template.
type pageData struct {
	Picture
	Standing status.Standing
	Head     string // the verdict up to its colon, which the box shows apart
	Rest     string
	Clock    string
	Closing  []pageClosing
	Stamp    string
	Label    string // of the drawing, for who does not see it
	Rows     []pageRow
	Lines    []svgLine
	Dots     []svgDot
	View     string
	Faults   []pageFault // of links, that the verdict does not name
	Log      []pageEvent
}

type pageRow struct {
	NodeView
	Age, StepText, Reason string
	States                []pageState
	Steps                 []pageStep
}

// pageState is one of a node's four states; Class is ok, later or bad.
type pageState struct{ Name, Why, Class, Mark string }

// pageStep is one step of a node; Class is done, now or later.
type pageStep struct{ Name, Class, Mark, Time string }

// pageClosing is a row of the box that closes the trip.
type pageClosing struct {
	Label, Text string
	Links       []string
}

type pageFault struct{ A, B, Why string }

type svgLine struct {
	X1, Y1, X2, Y2, TX, TY float64
	State, Text            string
	Side                   string // where the text stands: left or right of the link, or on it
}

type svgDot struct {
	X, Y, TY float64
	Name     string
	Class    string
}

type pageEvent struct{ Clock, Node, Text string }

// Measures of the drawing, in its own units.
const (
	svgWidth  = 520.0
	svgHeight = 330.0
	svgRadius = 115.0
	dotRadius = 26.0
)

func pageOf(p Picture) pageData {
	d := pageData{Picture: p, Standing: p.Standing(), Clock: p.Clock(), Label: "the ring: " + strings.Join(p.facts(), "; "), Stamp: p.Time.UTC().Format("2006-01-02 15:04:05 UTC"), View: fmt.Sprintf("0 0 %.0f %.0f", svgWidth, svgHeight)}
	d.Head, d.Rest, _ = strings.Cut(p.Verdict, ": ")
	d.Closing = p.pageClosing()
	at := map[string][2]float64{}
	for i, n := range p.Nodes {
		angle := 2*math.Pi*float64(i)/float64(len(p.Nodes)) - math.Pi/2
		x, y := svgWidth/2+svgRadius*1.45*math.Cos(angle), svgHeight/2+15+svgRadius*math.Sin(angle)
		at[n.Name] = [2]float64{x, y}
		label := y + dotRadius + 20
		if y < svgHeight/2 {
			label = y - dotRadius - 9
		}
		d.Dots = append(d.Dots, svgDot{X: x, Y: y, TY: label, Name: n.Name, Class: n.class()})
		row := pageRow{NodeView: n, Age: "-", StepText: "-", Reason: p.unsaid(n.whole()), States: n.pageStates(), Steps: n.pageSteps(p.Time)}
		if !n.Since.IsZero() {
			row.Age = status.Age(p.Time.Sub(n.Since))
		}
		if n.Steps > 0 {
			row.StepText = fmt.Sprintf("%d/%d", n.Step, n.Steps)
		}
		d.Rows = append(d.Rows, row)
	}
	for _, l := range p.Links {
		a, okA := at[l.A]
		b, okB := at[l.B]
		if !okA || !okB {
			continue
		}
		line := svgLine{X1: a[0], Y1: a[1], X2: b[0], Y2: b[1], State: l.class(), Text: l.speed()}
		line.TX, line.TY = (a[0]+b[0])/2, (a[1]+b[1])/2-8
		// Labels of slanted links stand outside the triangle.
		switch mid := svgWidth / 2; {
		case math.Abs(a[1]-b[1]) < 1:
			line.TY += 28
		case line.TX < mid:
			line.TX, line.Side = line.TX-20, "left"
		case line.TX > mid:
			line.TX, line.Side = line.TX+20, "right"
		}
		d.Lines = append(d.Lines, line)
	}
	for _, l := range p.Links {
		if l.State != LinkUp && p.unsaid([]string{l.Why}) != "" {
			d.Faults = append(d.Faults, pageFault{l.A, l.B, l.Why})
		}
	}
	for _, e := range p.Events {
		d.Log = append(d.Log, pageEvent{e.Time.UTC().Format(time.TimeOnly), e.Node, e.Text})
	}
	return d
}

// class of a node in the drawing.
func (n NodeView) class() string {
	switch {
	case n.Stopped:
		return "stopped"
	case !n.Trusted.OK:
		return "missing"
	case n.Phase == status.PhaseFormed:
		return "formed"
	}
	return "working"
}

// whole is all that a node is not, and what it waits for.
func (n NodeView) whole() []string {
	var out []string
	if n.Note != "" {
		out = append(out, n.Note)
	}
	switch {
	case strings.HasPrefix(n.Reachable.Why, "not asked"): // nobody tried
	case !n.Reachable.OK:
		out = append(out, "not reachable: "+n.Reachable.Why)
	case !n.Trusted.OK:
		out = append(out, "not trusted: "+n.Trusted.Why)
	}
	if s := n.status(); s != "" {
		out = append(out, s)
	}
	return out
}

// unsaid joins those of the sentences that the verdict does not hold.
func (p Picture) unsaid(sentences []string) string {
	var out []string
	for _, s := range sentences {
		if s != "" && !strings.Contains(p.Verdict, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, "; ")
}

// facts are the links in words.
func (p Picture) facts() []string {
	var out []string
	for _, l := range p.Links {
		out = append(out, fmt.Sprintf("%s to %s %s", l.A, l.B, l.speed()))
	}
	return out
}

// pageClosing is the box that closes the trip, with what can be followed as links.
func (p Picture) pageClosing() (out []pageClosing) {
	if !p.Standing().Formed || p.Acceptance == nil {
		return nil
	}
	// Who sees this page was let in by this node, and its report is all nodes'.
	links := map[string][]string{"open": p.Acceptance.Web, "report": {"/report"}}
	for _, r := range p.Acceptance.Closing() {
		out = append(out, pageClosing{Label: r.Label, Text: r.Text, Links: links[r.Label]})
	}
	return out
}

// class of a link in the drawing: what the acceptance measured counts more than
// that traffic passes.
func (l Link) class() string {
	if l.State == LinkUp && (l.Grade == gradeSlow || l.Grade == gradeBad) {
		return l.Grade
	}
	return l.State
}

// pageStates are the four states. What is only not so yet is no fault.
func (n NodeView) pageStates() (out []pageState) {
	for _, s := range []struct {
		name string
		status.State
		later bool
	}{
		{"seen", n.Seen, n.Reachable.OK},
		{"reachable", n.Reachable, strings.HasPrefix(n.Reachable.Why, "not asked")},
		{"trusted", n.Trusted, strings.HasPrefix(n.Trusted.Why, "not asked")},
		{"member", n.Member, n.Phase != status.PhaseFormed},
	} {
		switch {
		case s.OK:
			out = append(out, pageState{s.name, "", "ok", "✓"})
		case s.later:
			out = append(out, pageState{s.name, s.Why, "later", "not yet"})
		default:
			out = append(out, pageState{s.name, s.Why, "bad", "✗ not"})
		}
	}
	return out
}

// pageSteps are the steps of the plan with a tick and how long each took; of the
// present one how long it has taken, and what is usual.
func (n NodeView) pageSteps(now time.Time) (out []pageStep) {
	for i, s := range n.Done {
		p := pageStep{Name: s.Name, Class: "later", Mark: "·"}
		switch {
		case s.State == "done":
			p.Class, p.Mark = "done", "✓"
			if s.Took > 0 {
				p.Time = status.Age(s.Took)
			}
		case i == n.Step-1:
			p.Class, p.Mark = "now", "▸"
			if !n.Since.IsZero() {
				p.Time = status.Age(now.Sub(n.Since))
			}
			if usual := profiles.Usual(s.Name); usual > 0 {
				p.Time = strings.TrimSpace(p.Time + " (usually " + status.Age(usual) + ")")
			}
		}
		out = append(out, p)
	}
	return out
}
