package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"ringboot/imagebuilder/stick"
)

// progress shows how far a long work is, on a terminal only.
type progress struct {
	out    io.Writer // nil: nobody looks
	what   string
	begin  time.Time
	last   time.Time
	shown  bool
	now    func() time.Time
	during string
}

// progressEvery is how often the line is written anew.
const progressEvery = 200 * time.Millisecond

func (t *terminal) progress(what string) *progress {
	p := &progress{what: what, now: time.Now}
	if f, ok := t.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.out = f
	}
	return p
}

// at shows that done of total bytes are done.
func (p *progress) at(done, total int64) { p.stage(p.what, done, total) }

// stage is at for work that has several.
func (p *progress) stage(what string, done, total int64) {
	if p.out == nil {
		return
	}
	now := p.now()
	if what != p.during {
		p.during, p.begin, p.last = what, now, time.Time{}
	}
	if now.Sub(p.last) < progressEvery && done < total {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.out, "\r\x1b[K%s", line(what, done, total, now.Sub(p.begin)))
}

// line is one line of progress: bytes, rate and time left.
func line(what string, done, total int64, spent time.Duration) string {
	text := fmt.Sprintf("%s: %s", what, stick.Bytes(done))
	if total > 0 {
		text += fmt.Sprintf(" of %s, %d %%", stick.Bytes(total), done*100/total)
	}
	if spent < time.Second || done == 0 {
		return text
	}
	rate := float64(done) / spent.Seconds()
	text += fmt.Sprintf(", %s/s", stick.Bytes(int64(rate)))
	if left := float64(total-done) / rate; left >= 1 {
		text += fmt.Sprintf(", %s left", (time.Duration(left) * time.Second).Round(time.Second))
	}
	return text
}

// end leaves the line to what comes next.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
