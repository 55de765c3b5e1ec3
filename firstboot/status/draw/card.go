package draw

import (
	"fmt"
	"strings"

	"ringboot/firstboot/status"
)

// cardRisks is how many risks a card names: a console has few rows.
const cardRisks = 2

// Card is what a node's own console shows: who it is, how far it is, how many
// peers it has and why it waits, and in the end how one goes in. ASCII only: the
// font of a console is small. It has no clock that runs, so it changes only when
// something else does.
func Card(s status.Status, address string, width int) string {
	inner := min(max(width, 40), 100) - 4
	have := 1
	for _, p := range s.Peers {
		if p.Trusted.OK {
			have++
		}
	}
	lines := []string{
		fmt.Sprintf("%s   %s   plan %s   peers %d/%d", status.Clean(s.Node), address, orDash(s.Plan[:min(8, len(s.Plan))]), have, 1+len(s.Peers)),
		"",
	}
	say := func(head, text string) {
		lines = append(lines, strings.Split(wrap(head, status.Clean(text), inner), "\n")...)
	}
	v := s.Judge()
	text := v.Text()
	if !v.Since.IsZero() && !v.Formed {
		text += ", since " + v.Since.Local().Format("15:04")
		if v.Usual > 0 {
			text += ", usually " + status.Age(v.Usual)
		}
	}
	say("", text)
	if v.Do != "" {
		say("do this: ", v.Do)
	}
	if v.Formed {
		for _, r := range s.Acceptance.Closing() {
			say(r.Label+": ", r.Text)
		}
	}
	if s.Ring.Verdict != "" {
		say("ring: ", s.Ring.Verdict)
	}
	for i, r := range s.Risks {
		if i == cardRisks {
			say("", fmt.Sprintf("and %d more: firstboot status", len(s.Risks)-i))
			break
		}
		say("risk: ", r)
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
