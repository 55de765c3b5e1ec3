package view

import (
	"fmt"
	"strings"

	"ringboot/firstboot/trust"
)

// Card is what a node's own console shows: who it is, how far it is, how many
// peers it has and why it waits. ASCII only: the font of a console is small.
func Card(s trust.Status, address string, width int) string {
	inner := min(max(width, 40), 100) - 4
	have := 1
	for _, p := range s.Peers {
		if p.Trusted.OK {
			have++
		}
	}
	lines := []string{
		fmt.Sprintf("%s   %s", clean(s.Node), address),
		fmt.Sprintf("plan %s   step %d/%d %s   peers %d/%d", orDash(s.Plan[:min(8, len(s.Plan))]), s.Step, s.Steps, clean(s.Phase), have, 1+len(s.Peers)),
	}
	text := clean(s.Waiting)
	switch {
	case s.Phase == PhaseFormed:
		text = "formed: " + clean(s.Verdict)
	case s.Stopped:
		text = "STOPPED, needs a person: " + text
	case text != "":
		text = "waiting: " + text
	default:
		text = clean(s.Verdict)
	}
	lines = append(lines, "")
	lines = append(lines, strings.Split(wrap("", text, inner), "\n")...)
	if s.Ring.Verdict != "" {
		lines = append(lines, strings.Split(wrap("ring: ", clean(s.Ring.Verdict), inner), "\n")...)
	}
	for _, r := range s.Risks {
		lines = append(lines, strings.Split(wrap("risk: ", clean(r), inner), "\n")...)
	}
	var b strings.Builder
	edge := "+" + strings.Repeat("-", inner+2) + "+\n"
	b.WriteString(edge)
	for _, l := range lines {
		fmt.Fprintf(&b, "| %-*s |\n", inner, cut(ascii(l), inner))
	}
	b.WriteString(edge)
	return b.String()
}

func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s)
}
