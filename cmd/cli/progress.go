package cli

import (
	"fmt"
	"io"
	"time"
)

// Progress shows how far a long work is, on a terminal only.
type Progress struct {
	out   io.Writer // nil: nobody looks
	unit  func(int64) string
	width int
	what  string
	begin time.Time
	last  time.Time
	shown bool
	now   func() time.Time
}

// progressEvery is how often the line is written anew.
const progressEvery = 200 * time.Millisecond

// Progress begins to show a work whose size unit writes.
func (t *Terminal) Progress(what string, unit func(int64) string) *Progress {
	p := &Progress{what: what, now: time.Now, unit: unit}
	if f := Screen(t.Stderr); f != nil && !t.quiet {
		p.out, p.width = f, t.width(f)
	}
	return p
}

// At shows that done of total are done.
func (p *Progress) At(done, total int64) { p.Stage(p.what, done, total) }

// Stage is At for work that has several.
func (p *Progress) Stage(what string, done, total int64) {
	if p.out == nil {
		return
	}
	now := p.now()
	if what != p.what || p.begin.IsZero() {
		p.what, p.begin, p.last = what, now, time.Time{}
	}
	if now.Sub(p.last) < progressEvery && done < total {
		return
	}
	p.last, p.shown = now, true
	text := []rune(p.line(done, total, now.Sub(p.begin)))
	if p.width > 1 && len(text) >= p.width {
		text = text[:p.width-1] // a broken line could not be written over
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", string(text))
}

// line is one line of progress: amount, rate and time left.
func (p *Progress) line(done, total int64, spent time.Duration) string {
	text := fmt.Sprintf("%s: %s", p.what, p.unit(done))
	if total > 0 {
		text += fmt.Sprintf(" of %s, %d %%", p.unit(total), done*100/total)
	}
	if spent < time.Second || done == 0 {
		return text
	}
	rate := float64(done) / spent.Seconds()
	text += fmt.Sprintf(", %s/s", p.unit(int64(rate)))
	if left := float64(total-done) / rate; left >= 1 {
		text += fmt.Sprintf(", %s left", (time.Duration(left) * time.Second).Round(time.Second))
	}
	return text
}

// Passing says on a terminal what is waited for, until the returned function,
// which may be called more than once, takes it away.
func (t *Terminal) Passing(text string) func() {
	f := Screen(t.Stderr)
	if f == nil || t.quiet {
		return func() {}
	}
	fmt.Fprint(f, text)
	gone := false
	return func() {
		if !gone {
			gone = true
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}

// End leaves the line to what comes next.
func (p *Progress) End() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
