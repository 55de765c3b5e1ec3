package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"ringboot/firstboot/trust/view"
)

// show gathers and prints as wished.
func show(ctx context.Context, w wishes, stdout, stderr io.Writer) error {
	c, err := open(w, os.Getenv)
	if err != nil {
		return err
	}
	if c.id == nil && w.wait != "" {
		return &exit{exitPrecondition, errors.New("--wait needs the keyring, because what is not verified is not believed: run it where mkimage ran, or give --keyring")}
	}
	g, stop, err := gather(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	out := &canvas{w: w, to: stdout}
	switch {
	case w.watch:
		return out.watch(ctx, g)
	case w.wait != "":
		return out.wait(ctx, g, stderr)
	}
	return out.once(ctx, g)
}

// canvas writes pictures.
type canvas struct {
	w  wishes
	to io.Writer
}

// once listens until all is there, at most for the time asked for.
func (o *canvas) once(ctx context.Context, g *gatherer) error {
	deadline := time.NewTimer(o.w.listen)
	defer deadline.Stop()
	for !g.complete() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return o.write(g.picture())
		case <-g.changed:
		}
	}
	return o.write(g.picture())
}

// wait returns when the cluster is formed, or with an error at the time-out.
// What it waits for goes to stderr whenever it changes, the picture to stdout at the end.
func (o *canvas) wait(ctx context.Context, g *gatherer, stderr io.Writer) error {
	deadline := time.NewTimer(o.w.timeout)
	defer deadline.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	last := ""
	for {
		p := g.picture()
		if p.Formed() {
			return o.write(p)
		}
		if p.Verdict != last {
			last = p.Verdict
			fmt.Fprintf(stderr, "%s %s\n", p.Time.UTC().Format(time.TimeOnly), last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			if err := o.write(p); err != nil {
				return err
			}
			return &exit{exitTimeout, fmt.Errorf("not formed within %s: %s", o.w.timeout, p.Verdict)}
		case <-g.changed:
		case <-tick.C:
		}
	}
}

// watch keeps the picture live. On a terminal it is drawn over; elsewhere a
// new one follows when something changed.
func (o *canvas) watch(ctx context.Context, g *gatherer) error {
	screen := o.terminal() && !o.w.json && !o.w.plain
	if screen {
		fmt.Fprint(o.to, "\x1b[?1049h\x1b[?25l") // own screen, no cursor
		defer fmt.Fprint(o.to, "\x1b[?25h\x1b[?1049l")
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last []byte
	for {
		p := g.picture()
		key := fingerprint(p)
		if screen || !bytes.Equal(key, last) {
			last = key
			if err := o.draw(p, screen); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil // this is how a watch ends
		case <-tick.C:
		}
	}
}

func (o *canvas) draw(p view.Picture, screen bool) error {
	if !screen {
		return o.write(p)
	}
	text := bytes.ReplaceAll([]byte(p.Text(o.style())), []byte("\n"), []byte("\x1b[K\n"))
	_, err := fmt.Fprintf(o.to, "\x1b[H%s\x1b[J", text)
	return err
}

// fingerprint is the picture without what changes by itself.
func fingerprint(p view.Picture) []byte {
	p.Time = time.Time{}
	text, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	return text
}

func (o *canvas) write(p view.Picture) error {
	switch {
	case o.w.json:
		e := json.NewEncoder(o.to)
		e.SetEscapeHTML(false)
		if !o.w.watch {
			e.SetIndent("", "  ")
		}
		return e.Encode(p)
	case o.w.plain:
		_, err := io.WriteString(o.to, p.Plain())
		return err
	}
	_, err := io.WriteString(o.to, p.Text(o.style()))
	return err
}

func (o *canvas) terminal() bool {
	f, ok := o.to.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (o *canvas) style() view.Style {
	st := view.Style{Width: o.w.width}
	if !o.terminal() {
		return st
	}
	st.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(o.to.(*os.File).Fd())); err == nil && st.Width == 0 {
		st.Width = width
	}
	return st
}
