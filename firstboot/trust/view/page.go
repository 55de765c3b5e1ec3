package view

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"

	"ringboot/firstboot/form"
)

// Page draws the picture as one HTML page without outside resources, for
// screens of any size, light and dark. It carries nothing that the picture does
// not carry, and that is nothing secret.
func (p Picture) Page() ([]byte, error) {
	page, err := form.Parse(pageText, nil, form.EscapeHTML)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = page.Fill(&b, pageOf(p))
	return b.Bytes(), err
}

// pageData is the picture in the words of the template.
type pageData struct {
	Picture
	Stamp string
	Rows  []pageRow
	Lines []svgLine
	Dots  []svgDot
	View  string
	Log   []pageEvent
}

type pageRow struct {
	Node
	Age, StepText, Reason string
	States                []pageState
}

type pageState struct {
	Name, Why string
	OK        bool
}

type svgLine struct {
	X1, Y1, X2, Y2, TX, TY float64
	State, Text            string
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
	d := pageData{Picture: p, Stamp: p.Time.UTC().Format("2006-01-02 15:04:05 UTC"), View: fmt.Sprintf("0 0 %.0f %.0f", svgWidth, svgHeight)}
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
		row := pageRow{Node: n, Age: "-", StepText: "-", Reason: strings.Join(n.whole(), "; ")}
		if !n.Since.IsZero() {
			row.Age = age(p.Time.Sub(n.Since))
		}
		if n.Steps > 0 {
			row.StepText = fmt.Sprintf("%d/%d", n.Step, n.Steps)
		}
		for _, s := range []struct {
			name string
			ok   bool
			why  string
		}{{"seen", n.Seen.OK, n.Seen.Why}, {"reachable", n.Reachable.OK, n.Reachable.Why}, {"trusted", n.Trusted.OK, n.Trusted.Why}, {"member", n.Member.OK, n.Member.Why}} {
			row.States = append(row.States, pageState{Name: s.name, OK: s.ok, Why: s.why})
		}
		d.Rows = append(d.Rows, row)
	}
	for _, l := range p.Links {
		a, okA := at[l.A]
		b, okB := at[l.B]
		if !okA || !okB {
			continue
		}
		line := svgLine{X1: a[0], Y1: a[1], X2: b[0], Y2: b[1], State: l.State, Text: l.speed()}
		line.TX, line.TY = (a[0]+b[0])/2, (a[1]+b[1])/2-8
		// Labels of slanted links stand outside the triangle.
		switch mid := svgWidth / 2; {
		case math.Abs(a[1]-b[1]) < 1:
			line.TY += 28
		case line.TX < mid:
			line.TX -= 58
		case line.TX > mid:
			line.TX += 58
		}
		d.Lines = append(d.Lines, line)
	}
	for _, e := range p.Events {
		d.Log = append(d.Log, pageEvent{e.Time.UTC().Format(time.TimeOnly), e.Node, e.Text})
	}
	return d
}

// class of a node in the drawing.
func (n Node) class() string {
	switch {
	case n.Stopped:
		return "stopped"
	case !n.Trusted.OK:
		return "missing"
	case n.Phase == PhaseFormed:
		return "formed"
	}
	return "working"
}

// whole is all that a node is not, and what it waits for.
func (n Node) whole() []string {
	var out []string
	if n.Note != "" {
		out = append(out, n.Note)
	}
	switch {
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

const pageText = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
<title>{{.Cluster}}: {{.State}}</title>
<style>
:root{color-scheme:light dark;--bg:#fbfaf7;--fg:#1d1f21;--soft:#6a6f76;--line:#d9d6cf;--card:#fff;--good:#1a7f4b;--bad:#b3261e;--wait:#a15c00}
@media (prefers-color-scheme:dark){:root{--bg:#15171a;--fg:#e6e4df;--soft:#9aa0a8;--line:#33373d;--card:#1d2024;--good:#5fc98f;--bad:#ff8a80;--wait:#f0b45a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.45 system-ui,sans-serif}
main{max-width:980px;margin:0 auto;padding:1rem}
h1{font-size:1.15rem;margin:.2rem 0 .8rem;font-weight:600}
h1 small{color:var(--soft);font-weight:400;margin-left:.6em}
h2{font-size:.8rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);margin:1.4rem 0 .5rem}
.verdict{border-left:.35rem solid var(--wait);background:var(--card);padding:.7rem .9rem;border-radius:.3rem;overflow-wrap:anywhere}
.verdict b{text-transform:uppercase;font-size:.8rem;letter-spacing:.05em;display:block;color:var(--wait)}
.verdict.formed{border-color:var(--good)}.verdict.formed b{color:var(--good)}
.verdict.stopped,.verdict.empty{border-color:var(--bad)}.verdict.stopped b,.verdict.empty b{color:var(--bad)}
svg{display:block;width:100%;max-width:520px;height:auto;margin:0 auto}
svg text{fill:var(--fg);font:14px system-ui,sans-serif;text-anchor:middle}
svg .name{font-weight:600;font-size:15px}
svg line{stroke-width:5;stroke:var(--wait);stroke-linecap:round}
svg line.up{stroke:var(--good)}svg line.down{stroke:var(--bad);stroke-dasharray:3 11}
svg line.unproven{stroke-dasharray:12 8}svg line.unknown{stroke:var(--soft);stroke-dasharray:2 12}
svg circle{fill:var(--card);stroke:var(--wait);stroke-width:4}
svg circle.formed{stroke:var(--good)}svg circle.stopped{stroke:var(--bad)}svg circle.missing{stroke:var(--soft);stroke-dasharray:5 5}
.node{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem;margin:.5rem 0}
.node header{display:flex;flex-wrap:wrap;gap:.2rem .9rem;align-items:baseline}
.node header span{color:var(--soft)}
.node p{margin:.4rem 0 0;overflow-wrap:anywhere}
.states{display:flex;flex-wrap:wrap;gap:.35rem;margin:.45rem 0 0;padding:0;list-style:none}
.states li{border:1px solid var(--line);border-radius:1rem;padding:0 .6rem;font-size:.85rem;color:var(--bad)}
.states li.ok{color:var(--good)}
.risk{color:var(--wait);overflow-wrap:anywhere}
ol,ul{padding-left:1.1rem;margin:.3rem 0}
ol{list-style:none;padding:0}
ol li{overflow-wrap:anywhere}
time,ol b{color:var(--soft);font-weight:400;margin-right:.6em;font-variant-numeric:tabular-nums}
footer{color:var(--soft);font-size:.85rem;margin:1.6rem 0 .5rem}
a{color:inherit}
</style>
</head>
<body><main>
<h1>{{.Cluster}}<small>{{.Stamp}}</small></h1>
<div class="verdict {{.State}}" role="status"><b>{{.State}}</b>{{.Verdict}}</div>
<h2>Ring</h2>
<svg viewBox="{{.View}}" role="img" aria-label="the ring and its links">
{{range .Lines}}<line class="{{.State}}" x1="{{.X1}}" y1="{{.Y1}}" x2="{{.X2}}" y2="{{.Y2}}"/>
{{end}}{{range .Lines}}<text x="{{.TX}}" y="{{.TY}}">{{.Text}}</text>
{{end}}{{range .Dots}}<circle class="{{.Class}}" cx="{{.X}}" cy="{{.Y}}" r="26"/><text x="{{.X}}" y="{{.TY}}" class="name">{{.Name}}</text>
{{end}}</svg>
{{range .Links}}{{if and .Why (ne .State "up")}}<p class="risk">{{.A}} &ndash; {{.B}}: {{.Why}}</p>
{{end}}{{end}}<h2>Nodes</h2>
{{range .Rows}}<section class="node">
<header><strong>{{.Name}}</strong><span>{{.Address}}</span><span>{{if .Phase}}{{.Phase}} {{end}}{{.StepText}}{{if ne .Age "-"}}, for {{.Age}}{{end}}</span></header>
<ul class="states">{{range .States}}<li{{if .OK}} class="ok"{{end}} title="{{.Why}}">{{if .OK}}&#10003;{{else}}&#10007; not{{end}} {{.Name}}</li>{{end}}</ul>
{{if .Reason}}<p>{{.Reason}}</p>{{end}}
</section>
{{end}}{{if .Risks}}<h2>Risks</h2>
<ul>{{range .Risks}}<li class="risk">{{.}}</li>{{end}}</ul>
{{end}}{{if .Log}}<h2>Last events</h2>
<ol>{{range .Log}}<li><time>{{.Clock}}</time><b>{{.Node}}</b>{{.Text}}</li>{{end}}</ol>
{{end}}<footer>Read only. The same as <a href="/status.json">JSON</a>.</footer>
</main></body>
</html>
`
