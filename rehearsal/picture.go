package rehearsal

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// recent is how many of the last events a picture shows below the machines.
const recent = 4

// Picture is the table as it is now, for a terminal of that many columns: a
// clock, one line for each machine, and what happened last. expect is how long
// a trip usually takes.
func (r *Rehearsal) Picture(columns int, expect time.Duration) string {
	r.watch.mu.Lock()
	start := r.watch.start
	r.watch.mu.Unlock()
	return picture(r.Views(), r.Events(), start, time.Now(), columns, expect)
}

func picture(all []View, events []Event, start, now time.Time, columns int, expect time.Duration) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
		if n := utf8.RuneCountInString(text); n > columns {
			text = string([]rune(text)[:max(0, columns-1)]) + "\u2026"
		}
		b.WriteString(text + "\n")
	}
	line("%s since power-on; a trip here takes about %s", Clock(now.Sub(start)), Clock(expect))
	names := 0
	for _, v := range all {
		names = max(names, len(v.Node))
	}
	order := stages()
	for _, v := range all {
		at := slices.Index(order, v.Stage)
		if v.Stage == stageFormed {
			at = len(order)
		}
		bar := strings.Repeat("#", max(0, at)) + strings.Repeat(".", len(order)-max(0, at))
		line("%-*s %s %2d/%d %-10s %6s %s", names, v.Node, bar, max(0, at), len(order), v.Stage, Clock(now.Sub(v.Since)), v.Waiting)
	}
	for _, e := range events[max(0, len(events)-recent):] {
		line("%8s %-*s %s", Clock(e.At), names, e.Node, e.Text)
	}
	return b.String()
}

// Clock writes a time as minutes and seconds: 4:05.
func Clock(d time.Duration) string {
	s := int(max(0, d).Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
