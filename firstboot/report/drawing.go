package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"ringboot/firstboot/throughput"
)

// The drawing's coordinates, in units of its viewBox.
const (
	ringWidth, ringHeight = 640, 366
	ringCentreX           = ringWidth / 2
	ringCentreY           = 198
	ringRadius            = 164
	nodeWidth, nodeHeight = 164, 48
)

type point struct{ x, y float64 }

// drawRing draws the nodes on a circle, the first on top, and each cable with
// the rate of both directions. Colour is never alone: a slow cable is dashed,
// a bad one is crossed out, and the numbers say the same.
func drawRing(r *Ring, names []string) string {
	if len(names) == 0 {
		return ""
	}
	at := map[string]point{}
	for i, name := range names {
		angle := -math.Pi/2 + 2*math.Pi*float64(i)/float64(len(names))
		at[name] = point{ringCentreX + ringRadius*1.3*math.Cos(angle), ringCentreY + ringRadius*math.Sin(angle)}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="ring" viewBox="0 0 %d %d" role="img" aria-label="%s">`, ringWidth, ringHeight, html.EscapeString(ringWords(r)))
	for _, l := range r.Links {
		drawLink(&b, l, at[l.A], at[l.B])
	}
	for _, name := range names {
		p := at[name]
		fmt.Fprintf(&b, `<g class="node"><rect x="%.0f" y="%.0f" width="%d" height="%d" rx="9"/><text x="%.0f" y="%.0f">%s</text></g>`,
			p.x-nodeWidth/2, p.y-nodeHeight/2, nodeWidth, nodeHeight, p.x, p.y+7, html.EscapeString(name))
	}
	b.WriteString(`</svg>`)
	return b.String()
}

func drawLink(b *strings.Builder, l Link, from, to point) {
	class := string(l.Grade)
	if class == "" {
		class = "untried"
	}
	fmt.Fprintf(b, `<g class="link %s"><line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, from.x, from.y, to.x, to.y)
	mid := point{(from.x + to.x) / 2, (from.y + to.y) / 2}
	if l.Grade == throughput.Bad {
		fmt.Fprintf(b, `<path class="cross" d="M%.1f %.1fl22 22m0 -22l-22 22"/>`, mid.x-11, mid.y-11)
	}
	// The label stands outside the ring, next to the middle of its cable; that
	// of a horizontal cable stands below it.
	anchor, outward := "middle", mid.x-ringCentreX
	switch {
	case outward > 20:
		anchor, mid.x, mid.y = "start", mid.x+16, mid.y-8
	case outward < -20:
		anchor, mid.x, mid.y = "end", mid.x-16, mid.y-8
	case mid.y > ringCentreY:
		mid.y += 28
	default:
		mid.y -= 34
	}
	fmt.Fprintf(b, `<text class="rate" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, mid.x, mid.y, rateLabel(l.There, arrow(from, to)))
	fmt.Fprintf(b, `<text class="rate" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, mid.x, mid.y+24, rateLabel(l.Back, arrow(to, from)))
	drawPort(b, l.APort, from, to)
	drawPort(b, l.BPort, to, from)
	b.WriteString(`</g>`)
}

// arrow picks the arrow for a direction on the page.
func arrow(from, to point) string {
	dx, dy := to.x-from.x, to.y-from.y
	switch {
	case math.Abs(dy) < 10 && dx > 0:
		return "→"
	case math.Abs(dy) < 10:
		return "←"
	case dx > 0 && dy > 0:
		return "↘"
	case dx > 0:
		return "↗"
	case dy > 0:
		return "↙"
	}
	return "↖"
}

func rateLabel(r *throughput.Result, arrow string) string {
	if r == nil {
		return arrow + " –"
	}
	return fmt.Sprintf("%s %.1f Gbit/s", arrow, r.Gbit)
}

// drawPort writes a port's name inside the ring, near its own node.
func drawPort(b *strings.Builder, port string, own, far point) {
	if port == "" {
		return
	}
	const along, aside = 0.3, 13
	p := point{own.x + (far.x-own.x)*along, own.y + (far.y-own.y)*along}
	mid := point{p.x - ringCentreX, p.y - ringCentreY}
	// Perpendicular to the cable, towards the centre.
	n := point{-(far.y - own.y), far.x - own.x}
	length := math.Hypot(n.x, n.y)
	n = point{n.x / length, n.y / length}
	if n.x*mid.x+n.y*mid.y > 0 {
		n = point{-n.x, -n.y}
	}
	anchor := "middle"
	if n.x > 0.3 {
		anchor = "start"
	} else if n.x < -0.3 {
		anchor = "end"
	}
	fmt.Fprintf(b, `<text class="port" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, p.x+n.x*aside, p.y+n.y*aside+5, html.EscapeString(port))
}

func ringWords(r *Ring) string {
	var words []string
	for _, l := range r.Links {
		words = append(words, l.Verdict)
	}
	return "The ring: " + strings.Join(words, "; ")
}

// The recovery that passes and the one that fails, in seconds after the cut.
const (
	RecoveryGood = 240
	RecoveryFail = 300
)

// drawTimeLine draws the power cut's moments on an axis, with their numbers
// from the list below it.
func drawTimeLine(moments []Moment) string {
	if len(moments) == 0 {
		return ""
	}
	const width, height, left, right, base = 720, 84, 18, 702, 46
	last := float64(RecoveryFail)
	for _, m := range moments {
		last = max(last, m.After)
	}
	last *= 1.03
	x := func(s float64) float64 { return left + (right-left)*max(0, s)/last }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="line" viewBox="0 0 %d %d" role="img" aria-label="time line of the power cut">`, width, height)
	fmt.Fprintf(&b, `<line class="axis" x1="%d" y1="%d" x2="%d" y2="%d"/>`, left, base, right, base)
	for _, limit := range []float64{RecoveryGood, RecoveryFail} {
		fmt.Fprintf(&b, `<line class="limit" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/><text class="tick" x="%.1f" y="%d">%.0f s</text>`,
			x(limit), base-20, x(limit), base+12, x(limit), base+30, limit)
	}
	fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d">0 s</text>`, x(0)+8, base+30)
	taken := []float64{}
	for i, m := range moments {
		px, py := x(m.After), float64(base)
		for slices.ContainsFunc(taken, func(t float64) bool { return math.Abs(t-px-py*10000) < 21 }) {
			py -= 21 // two moments within one dot's width stand above each other
		}
		taken = append(taken, px+py*10000)
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="10"/><text class="dot" x="%.1f" y="%.1f">%d</text>`, px, py, px, py+4.5, i+1)
	}
	b.WriteString(`</svg>`)
	return b.String()
}
