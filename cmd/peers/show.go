package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"ringboot/cmd/cli"
	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/profiles/fault"
)

// show gathers and prints as wished.
func show(ctx context.Context, w wishes, t *cli.Terminal) error {
	c, err := open(w, os.Getenv)
	if err != nil {
		return err
	}
	if c.id == nil && w.wait != "" {
		return fault.Precondition.New("--wait needs the keyring, because what is not verified is not believed: run it where mkimage ran, or give --keyring")
	}
	g, stop, err := gather(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	out := &canvas{w: w, t: t, to: t.Stdout}
	switch {
	case w.watch:
		return out.watch(ctx, g)
	case w.wait != "":
		return out.wait(ctx, g)
	}
	return out.once(ctx, g)
}

// canvas writes pictures.
type canvas struct {
	w  wishes
	t  *cli.Terminal
	to io.Writer
}

// once listens until all is there, at most for the time asked for.
func (o *canvas) once(ctx context.Context, g *gatherer) error {
	deadline := time.NewTimer(o.w.listen)
	defer deadline.Stop()
	heard := o.t.Passing(fmt.Sprintf("listening for the nodes, at most %s", o.w.listen))
	defer heard()
	for !g.complete() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			heard()
			return o.end(g.picture())
		case <-g.changed:
		}
	}
	heard()
	return o.end(g.picture())
}

// end writes the last picture, and ends with what it says: a cluster that was
// not accepted is no success.
func (o *canvas) end(p draw.Picture) error {
	if err := o.write(p); err != nil {
		return err
	}
	if p.State == status.StateNotAccepted {
		return fault.Unverified.Errorf("%s: read peers report", p.Verdict)
	}
	return nil
}

// States that can be waited for.
const (
	waitFormed   = "formed"
	waitAccepted = "accepted"
)

// awaited reports whether the wait is over: the cluster is formed and, where the
// acceptance is waited for, a node has its report.
func (o *canvas) awaited(p draw.Picture) bool {
	return p.Standing().Formed && (o.w.wait == waitFormed || p.Acceptance != nil)
}

// wait returns when the cluster is formed, or accepted, or with an error at the time-out.
// What it waits for goes to stderr whenever it changes, the picture to stdout at the end.
func (o *canvas) wait(ctx context.Context, g *gatherer) error {
	deadline := time.NewTimer(o.w.timeout)
	defer deadline.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	last := ""
	for {
		p := g.picture()
		if o.awaited(p) {
			return o.end(p)
		}
		if p.Verdict != last {
			last = p.Verdict
			o.t.Say("%s %s", p.Time.Local().Format(time.TimeOnly), last)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			if err := o.write(p); err != nil {
				return err
			}
			return fault.Timeout.Errorf("not %s within %s: %s", o.w.wait, o.w.timeout, p.Verdict)
		case <-g.changed:
		case <-tick.C:
		}
	}
}

// watch keeps the picture live: over the whole terminal, or elsewhere with a
// new one that follows when something changed.
func (o *canvas) watch(ctx context.Context, g *gatherer) error {
	if o.terminal() && os.Getenv("TERM") != "dumb" && !o.w.json && !o.w.plain {
		return o.screen(ctx, g)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last []byte
	for {
		p := g.picture()
		if key := fingerprint(p); !bytes.Equal(key, last) {
			last = key
			if err := o.write(p); err != nil {
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

// fingerprint is the picture without what changes by itself.
func fingerprint(p draw.Picture) []byte {
	p.Time = time.Time{}
	text, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	return text
}

func (o *canvas) write(p draw.Picture) error {
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

func (o *canvas) terminal() bool { return cli.Screen(o.to) != nil }

func (o *canvas) style() draw.Style {
	st := draw.Style{Width: o.w.width, Color: o.t.Color(o.to)}
	if st.Width == 0 {
		st.Width = o.t.Width()
	}
	return st
}
