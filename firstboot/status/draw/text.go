package draw

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// Style says how a picture is drawn as text.
type Style struct {
	Width int  // columns of the terminal; 0: 80
	Color bool // marks by colour too, never by colour alone
}

// wide is the width from which a node's reason stands in its row.
const wide = 140

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

func (st Style) paint(code, text string) string {
	if !st.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Text draws the picture for a terminal.
func (p Picture) Text(st Style) string {
	if st.Width == 0 {
		st.Width = 80
	}
	var b strings.Builder
	head := "cluster " + orDash(p.Cluster)
	if !p.Verified {
		head += "   UNVERIFIED: anybody here can say this"
	}
	b.WriteString(st.paint(bold, head) + "\n\n")
	if ring := p.ring(st); ring != "" {
		b.WriteString(ring + "\n")
	}
	if len(p.Nodes) > 0 {
		b.WriteString(p.table(st) + "\n")
	}
	for _, line := range p.reasons(st) {
		b.WriteString(line + "\n")
	}
	if len(p.Events) > 0 {
		b.WriteString("last events\n")
		for _, e := range p.Events {
			b.WriteString(wrap(fmt.Sprintf("  %s %s: ", e.Time.UTC().Format(time.TimeOnly), e.Node), e.Text, st.Width) + "\n")
		}
		b.WriteString("\n")
	}
	for _, d := range p.Drift {
		b.WriteString(wrap("", d, st.Width) + "\n")
	}
	for _, r := range p.Risks {
		b.WriteString(st.paint(yellow, wrap("risk: ", r, st.Width)) + "\n")
	}
	for i, l := range p.closing(st) {
		if i == 0 {
			l = st.paint(p.tone()+";"+bold, l)
		}
		b.WriteString(l + "\n")
	}
	return b.String()
}

// closing is the verdict, what to do about it, and the box that ends the trip.
// The verdict is the first of its lines.
func (p Picture) closing(st Style) []string {
	verdict := p.Verdict
	if clock := p.Clock(); clock != "" {
		verdict += ", " + clock
	}
	out := []string{wrap("", verdict, st.Width)}
	row := func(label, text string) { out = append(out, wrap(fmt.Sprintf("%-8s ", label+":"), text, st.Width)) }
	if p.Do != "" {
		row("do this", p.Do)
	}
	if p.Standing().Formed {
		for _, r := range p.Acceptance.Closing() {
			row(r.Label, r.Text)
		}
	}
	return out
}

// tones are the colours of a terminal.
var tones = map[status.Tone]string{status.Good: green, status.Fair: yellow, status.Bad: red}

func (p Picture) tone() string { return tones[p.Standing().Tone] }

// ring draws three nodes as a triangle: the first above, the other two below.
// Other numbers of nodes are listed.
func (p Picture) ring(st Style) string {
	if len(p.Nodes) != 3 || len(p.Links) == 0 {
		var b strings.Builder
		for _, l := range p.Links {
			fmt.Fprintf(&b, "  %s %s - %s %s: %s\n", l.A, l.APort, l.B, l.BPort, l.speed())
		}
		return b.String()
	}
	var b strings.Builder
	b.WriteString(p.triangle(st))
	top, left, right := p.Nodes[0].Name, p.Nodes[2].Name, p.Nodes[1].Name
	for _, k := range []Link{p.link(top, left), p.link(top, right), p.link(left, right)} {
		if k.State != LinkUp && k.Why != "" {
			b.WriteString(wrap(fmt.Sprintf("  link %s - %s: ", k.A, k.B), k.Why, st.Width) + "\n")
		}
	}
	return b.String()
}

// triangle draws three nodes and their links in five lines.
func (p Picture) triangle(st Style) string {
	top, left, right := p.Nodes[0].Name, p.Nodes[2].Name, p.Nodes[1].Name
	a, l, r := p.link(top, left), p.link(left, right), p.link(top, right)
	width := min(st.Width, 100)
	mid := width / 2
	var b strings.Builder
	line := func(parts ...piece) { b.WriteString(place(st, parts...) + "\n") }
	line(piece{mid - len(top)/2, top, bold})
	line(piece{mid - 4, strings.Repeat(stroke(a, '/'), 1), tone(a)}, piece{mid + 4, stroke(r, '\\'), tone(r)})
	la, lr := a.speed(), r.speed()
	line(piece{mid - 8 - len(la), la, tone(a)}, piece{mid - 6, stroke(a, '/'), tone(a)}, piece{mid + 6, stroke(r, '\\'), tone(r)}, piece{mid + 9, lr, tone(r)})
	line(piece{mid - 8, stroke(a, '/'), tone(a)}, piece{mid + 8, stroke(r, '\\'), tone(r)})
	span := 2*10 + 1
	text := " " + l.speed() + " "
	for utf8.RuneCountInString(text) < span {
		text = stroke(l, '-') + text
		if utf8.RuneCountInString(text) < span {
			text += stroke(l, '-')
		}
	}
	from := mid - utf8.RuneCountInString(text)/2
	line(piece{from - 1 - len(left), left, bold}, piece{from, text, tone(l)}, piece{from + utf8.RuneCountInString(text) + 1, right, bold})
	return b.String()
}

// link is the worst link between two nodes; between the ends of a chain it has no
// state, and is not drawn.
func (p Picture) link(a, b string) Link {
	var out *Link
	order := []string{LinkDown, LinkUnknown, LinkUnproven, LinkUp}
	for i := range p.Links {
		l := &p.Links[i]
		if (l.A == a && l.B == b || l.A == b && l.B == a) && (out == nil || slices.Index(order, l.State) > slices.Index(order, out.State)) {
			out = l
		}
	}
	if out == nil {
		return Link{A: a, B: b}
	}
	return *out
}

// stroke is the letter a link is drawn with: its state shows without colour.
func stroke(l Link, up rune) string {
	switch l.State {
	case LinkUp:
		return string(up)
	case LinkUnproven:
		return ":"
	case LinkDown:
		return "x"
	case LinkUnknown:
		return "?"
	}
	return " "
}

func tone(l Link) string {
	switch {
	case l.State == LinkDown || l.Grade == gradeBad:
		return red
	case l.State == LinkUp && l.Grade != gradeSlow:
		return green
	}
	return yellow
}

// piece is a text at a column.
type piece struct {
	at   int
	text string
	code string
}

func place(st Style, parts ...piece) string {
	var b strings.Builder
	col := 0
	for _, p := range parts {
		if gap := p.at - col; gap > 0 {
			b.WriteString(strings.Repeat(" ", gap))
			col += gap
		}
		b.WriteString(st.paint(p.code, p.text))
		col += utf8.RuneCountInString(p.text)
	}
	return b.String()
}

// table lists the nodes. In a wide terminal the reason stands in the row.
func (p Picture) table(st Style) string {
	name := len("node")
	address := len("address")
	for _, n := range p.Nodes {
		name, address = max(name, len(n.Name)), max(address, len(n.Address))
	}
	name, address = min(name, 20), min(address, 24)
	var b strings.Builder
	head := fmt.Sprintf("%-*s  %-*s  %-5s %-5s %-5s %-6s  %-10s %-5s  %-5s", name, "node", address, "address", "seen", "reach", "trust", "member", "phase", "step", "since")
	if st.Width >= wide {
		head += "  waiting for"
	}
	b.WriteString(st.paint(dim, strings.TrimRight(head, " ")) + "\n")
	for _, n := range p.Nodes {
		since := "-"
		if !n.Since.IsZero() {
			since = status.Age(p.Time.Sub(n.Since))
		}
		step := "-"
		if n.Steps > 0 {
			step = fmt.Sprintf("%d/%d", n.Step, n.Steps)
		}
		row := fmt.Sprintf("%-*s  %-*s  ", name, cut(n.Name, name), address, cut(orDash(n.Address), address)) +
			st.mark(n.Seen.OK, n.Seen.Why, 5) + " " + st.mark(n.Reachable.OK, n.Reachable.Why, 5) + " " + st.mark(n.Trusted.OK, n.Trusted.Why, 5) + " " +
			st.mark(n.Member.OK, n.Member.Why, 6) + fmt.Sprintf("  %-10s %-5s  %-5s", cut(orDash(n.Phase), 10), step, since)
		if st.Width >= wide {
			row += "  " + cut(n.status(), st.Width-name-address-57)
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}

// status is what a node waits for, with its marks.
func (n NodeView) status() string {
	text := n.Waiting
	if n.Stopped {
		text = "STOPPED: " + text
	}
	if doing := profiles.Doing(n.Phase); n.Working && doing != "" {
		text = strings.TrimSuffix(doing+": "+text, ": ")
	}
	if n.Seen.OK && !n.Verified {
		text = strings.TrimSpace("(unverified) " + text)
	}
	return text
}

func (st Style) mark(ok bool, why string, width int) string {
	switch {
	case ok:
		return st.paint(green, fmt.Sprintf("%-*s", width, "yes"))
	case strings.HasPrefix(why, "not asked"):
		return fmt.Sprintf("%-*s", width, "?")
	}
	return st.paint(red, fmt.Sprintf("%-*s", width, "no"))
}

// reasons say in full what the table has no room for.
func (p Picture) reasons(st Style) []string {
	var out, order []string
	who := map[string][]string{} // a sentence that several say stands once
	for _, n := range p.Nodes {
		var parts []string
		if n.Note != "" {
			parts = append(parts, n.Note)
		}
		switch {
		case !n.Seen.OK && n.Seen.Why != "":
			parts = append(parts, "not seen: "+n.Seen.Why)
		}
		switch {
		case strings.HasPrefix(n.Reachable.Why, "not asked"):
		case !n.Reachable.OK:
			parts = append(parts, "not reachable: "+n.Reachable.Why)
		case !n.Trusted.OK:
			parts = append(parts, "not trusted: "+n.Trusted.Why)
		}
		if status := n.status(); status != "" && st.Width < wide {
			parts = append(parts, status)
		}
		for _, text := range parts {
			if who[text] == nil {
				order = append(order, text)
			}
			who[text] = append(who[text], n.Name)
		}
	}
	for _, text := range order {
		out = append(out, wrap(strings.Join(who[text], ", ")+": ", status.Clean(text), st.Width))
	}
	if len(out) > 0 {
		out = append(out, "")
	}
	return out
}

// Plain writes one line for each fact, for a log.
func (p Picture) Plain() string {
	var b strings.Builder
	stamp := p.Time.UTC().Format(time.RFC3339)
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "%s node=%s address=%s seen=%s reachable=%s trusted=%s member=%s verified=%s phase=%s step=%d/%d waiting=%q\n", stamp, n.Name, orDash(n.Address),
			yes(n.Seen.OK), yes(n.Reachable.OK), yes(n.Trusted.OK), yes(n.Member.OK), yes(n.Verified), orDash(n.Phase), n.Step, n.Steps, n.Waiting)
	}
	for _, l := range p.Links {
		fmt.Fprintf(&b, "%s link=%s-%s state=%s mbit=%d why=%q\n", stamp, l.A, l.B, l.State, l.Mbit, l.Why)
	}
	for _, r := range p.Risks {
		fmt.Fprintf(&b, "%s risk=%q\n", stamp, r)
	}
	for _, d := range p.Drift {
		fmt.Fprintf(&b, "%s drift=%q\n", stamp, d)
	}
	fmt.Fprintf(&b, "%s state=%s verdict=%q do=%q\n", stamp, p.State, p.Verdict, p.Do)
	return b.String()
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// cut shortens a text to n columns.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n < 3 {
		return ""
	}
	return string([]rune(s)[:n-2]) + ".."
}

// wrap breaks a text at spaces and indents what follows the first line.
func wrap(prefix, text string, width int) string {
	var b strings.Builder
	b.WriteString(prefix)
	indent := min(utf8.RuneCountInString(prefix), 16)
	col := utf8.RuneCountInString(prefix)
	fresh := true
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if !fresh && col+1+n > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			col, fresh = indent, true
		}
		if !fresh {
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col, fresh = col+n, false
	}
	return b.String()
}
