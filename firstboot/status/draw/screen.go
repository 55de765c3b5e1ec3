package draw

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// Parts of a screen that take the room which the fixed ones leave.
const (
	PartNotes  = "notes"
	PartRisks  = "risks"
	PartEvents = "events"
	PartHelp   = "help"
)

// Fold is which part of a screen is open, and how far it is scrolled.
type Fold struct {
	Part string // "": notes
	From int    // the first line of the part that is shown
}

// Least is the smallest screen that shows everything that is fixed.
const (
	LeastColumns = 80
	LeastRows    = 24
)

// Screen draws the picture in at most so many rows, each at most as wide as the
// style says: title, ring, nodes, verdict and keys are always there, one part
// has the rest and scrolls.
func (p Picture) Screen(st Style, rows int, f Fold) string {
	if st.Width == 0 {
		st.Width = LeastColumns
	}
	narrow := st.Width < LeastColumns
	st.Color = st.Color && !narrow // what is cut must not be cut within a colour
	s := &screen{p: p, st: st}
	top := s.top(rows)
	bottom := s.bottom()
	part := s.part(f, max(0, rows-len(top)-len(bottom)))
	lines := append(top, part...)
	for len(lines)+len(bottom) < rows {
		lines = append(lines, "")
	}
	lines = append(lines, bottom...)
	for i := range lines {
		if narrow {
			lines[i] = cut(lines[i], st.Width)
		}
	}
	return strings.Join(lines[:min(len(lines), max(rows, 1))], "\n")
}

// screen is one picture on its way to a terminal.
type screen struct {
	p  Picture
	st Style
}

// top is what is above: cluster and clock, ring, nodes.
func (s *screen) top(rows int) []string {
	title := "cluster " + orDash(s.p.Cluster)
	if !s.p.Verified {
		title += "   UNVERIFIED: anybody here can say this"
	}
	clock := s.p.Time.Local().Format(time.TimeOnly)
	if gap := s.st.Width - utf8.RuneCountInString(title) - len(clock); gap > 0 {
		title += strings.Repeat(" ", gap) + clock
	}
	out := []string{s.st.paint(bold, cut(title, s.st.Width))}
	const drawn = 5 // rows of the triangle
	switch {
	case len(s.p.Links) == 0:
		out = append(out, "ring: nothing is known of it yet")
	case len(s.p.Nodes) == 3 && rows >= LeastRows && s.st.Width >= LeastColumns:
		out = append(out, split(s.p.triangle(s.st))...)
	default:
		for _, l := range s.p.Links {
			line := fmt.Sprintf("ring: %s %s - %s %s: %s, %s", l.A, l.APort, l.B, l.BPort, l.State, l.speed())
			out = append(out, s.st.paint(tone(l), cut(line, s.st.Width)))
		}
	}
	if len(s.p.Nodes) > 0 && len(out) > drawn {
		out = append(out, "")
	}
	return append(out, s.nodes()...)
}

// barLetters is the width of a node's bar.
const barLetters = 11

// nodes are one row for each node: its states, its step, and a bar.
func (s *screen) nodes() []string {
	name, address := 0, 0
	for _, n := range s.p.Nodes {
		name, address = max(name, utf8.RuneCountInString(n.Name)), max(address, utf8.RuneCountInString(n.Address))
	}
	name, address = min(name, 14), min(address, 15)
	var out []string
	for _, n := range s.p.Nodes {
		row := fmt.Sprintf("%-*s %-*s ", name, cut(n.Name, name), address, cut(orDash(n.Address), address))
		row += s.stage(n) + " " + s.bar(n)
		since := ""
		if !n.Since.IsZero() {
			since = "for " + status.Age(s.p.Time.Sub(n.Since))
		}
		if usual := profiles.Usual(n.Phase); usual > 0 {
			since += " (~" + status.Age(usual) + ")"
		}
		room := s.st.Width - name - address - 2 - stageLetters - 1 - barLetters - 2
		text := strings.TrimSpace(fmt.Sprintf(" %d/%d %s %s", n.Step, n.Steps, orDash(n.Phase), since))
		if n.Steps == 0 {
			text = orDash(n.Phase)
		}
		out = append(out, row+" "+cut(text, room))
	}
	return out
}

// stageLetters is the width of the word for a node's states.
const stageLetters = 12

// stage is how far a node is known: the first of its states that is not so.
// That it is no member yet is no fault.
func (s *screen) stage(n NodeView) string {
	word, style := "member", green
	switch {
	case n.Stopped:
		word, style = "STOPPED", red
	case !n.Seen.OK && !n.Reachable.OK:
		word, style = "missing", red
	case !n.Asked && !n.Trusted.OK && strings.HasPrefix(n.Reachable.Why, "not asked"):
		word, style = "heard", yellow
	case !n.Reachable.OK:
		word, style = "unreachable", red
	case !n.Trusted.OK:
		word, style = "not trusted", red
	case !n.Member.OK:
		word, style = "trusted", ""
	}
	text := fmt.Sprintf("%-*s", stageLetters, word)
	if style == "" {
		return text
	}
	return s.st.paint(style, text)
}

// bar is one letter for each step, done or not.
func (s *screen) bar(n NodeView) string {
	done := n.Step - 1 // the step that it is at is not done
	if n.Phase == status.PhaseFormed {
		done = n.Steps
	}
	total := max(n.Steps, 1)
	full := min(max(done, 0)*barLetters/total, barLetters)
	style := yellow
	if n.Phase == status.PhaseFormed {
		style = green
	}
	return "[" + s.st.paint(style, strings.Repeat("#", full)) + strings.Repeat(".", barLetters-full) + "]"
}

// verdictRows is how much of the screen the verdict may take.
const verdictRows = 3

// bottom is the verdict and the keys.
func (s *screen) bottom() []string {
	var out []string
	lines := split(s.p.closing(s.st)[0])
	if len(lines) > verdictRows {
		lines = lines[:verdictRows]
		lines[verdictRows-1] = cut(lines[verdictRows-1]+" and more: see n", s.st.Width)
	}
	for _, l := range lines {
		out = append(out, s.st.paint(s.p.tone()+";"+bold, cut(l, s.st.Width)))
	}
	keys := fmt.Sprintf("n notes  r risks (%d)  e events (%d)  arrows scroll  ? help  q quit", len(s.p.Risks), len(s.p.Events))
	return append(out, s.st.paint(dim, cut(keys, s.st.Width)))
}

// part is the open part in so many rows, with what is hidden counted.
func (s *screen) part(f Fold, rows int) []string {
	if rows < 2 {
		return nil
	}
	all := s.content(f.Part)
	name := f.Part
	if name == "" {
		name = PartNotes
	}
	room := rows - 2 // an empty row and the head
	from := min(max(f.From, 0), max(0, len(all)-room))
	to := min(len(all), from+room)
	head := name
	if from > 0 || to < len(all) {
		head += fmt.Sprintf("  %d to %d of %d lines", min(from+1, to), to, len(all))
	}
	out := []string{"", s.st.paint(bold, cut(head, s.st.Width))}
	return append(out, all[from:to]...)
}

// content is a part as a whole, each line as wide as the screen at most.
func (s *screen) content(part string) []string {
	var out []string
	add := func(style, head, text string) {
		for _, l := range split(wrap(head, text, s.st.Width)) {
			out = append(out, s.st.paint(style, cut(l, s.st.Width)))
		}
	}
	switch part {
	case PartRisks:
		for _, r := range s.p.Risks {
			add(yellow, "  ", r)
		}
	case PartEvents:
		for i := len(s.p.Events) - 1; i >= 0; i-- { // the newest first
			e := s.p.Events[i]
			add("", fmt.Sprintf("  %s %s: ", e.Time.Local().Format(time.TimeOnly), e.Node), e.Text)
		}
	case PartHelp:
		for _, l := range []string{"n  what each node waits for, and which cable is not well", "r  risks", "e  the last events, the newest first",
			"arrows, page up and down  scroll", "q, escape, control and C  quit", "(~26s)  how long the step took in a rehearsal"} {
			add("", "  ", l)
		}
	default:
		narrow := s.st
		narrow.Width = min(narrow.Width, wide-1) // the rows have no room for reasons
		for _, l := range s.p.closing(s.st)[1:] {
			out = append(out, split(l)...)
		}
		for _, l := range s.p.reasons(narrow) {
			if l != "" {
				add("", "  ", strings.ReplaceAll(l, "\n", " "))
			}
		}
		for _, l := range s.p.Links {
			if l.State != LinkUp && l.Why != "" {
				add("", "  link "+l.A+" - "+l.B+": ", l.Why)
			}
		}
	}
	if len(out) == 0 {
		out = []string{"  none"}
	}
	return out
}

// Lines is how many lines a part has, for who scrolls.
func (p Picture) Lines(st Style, part string) int {
	return len((&screen{p: p, st: st}).content(part))
}

func split(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }
