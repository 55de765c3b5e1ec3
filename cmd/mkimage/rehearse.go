package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ringboot/imagebuilder/agent"
	"ringboot/rehearsal"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/qemu"
)

// rehearsing is what the flags of rehearse ask for.
type rehearsing struct {
	t        *terminal
	profile  string
	iso      string
	dir      string
	firmware string
	accel    string
	until    string
	drills   []string
	seed     uint64
	minutes  int
	keep     bool
	list     bool
	asJSON   bool
}

func newRehearse(t *terminal) *cobra.Command {
	r := &rehearsing{t: t}
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Play the whole trip in virtual machines, from power-on to a cluster",
		Long: "rehearse builds the images of all nodes, starts one virtual machine per node with\n" +
			"its stick in it, cables them as a ring, and waits for the cluster. With --drill it\n" +
			"lets something go wrong on the way. No packet leaves the machines.\n\n" +
			"Without --iso the practice ISO is used: a Debian with stand-ins of the Proxmox\n" +
			"tools. With the real ISO everything but the hardware is real.",
		Example: "  mkimage rehearse\n  mkimage rehearse --iso proxmox-ve_9.2-1.iso --profile lab.yaml\n" +
			"  mkimage rehearse --drill power-cut-one --seed 7\n  mkimage rehearse --drill all",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVarP(&r.profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	f.StringVar(&r.iso, "iso", practiceISO, "stock ISO, or \"practice\"")
	f.StringVar(&r.dir, "dir", "rehearsal", "directory for images, disks and the report")
	f.StringVar(&r.firmware, "firmware", string(qemu.UEFI), "uefi or bios")
	f.StringVar(&r.accel, "accel", "", "kvm or tcg (default: kvm if it really boots a kernel)")
	f.StringVar(&r.until, "until", "report", "the step of the plan that all nodes must have done")
	f.StringArrayVar(&r.drills, "drill", nil, "drill instead of a plain trip; several, or \"all\"")
	f.Uint64Var(&r.seed, "seed", uint64(time.Now().UnixNano()), "seed of everything random in a drill")
	f.IntVar(&r.minutes, "minutes", 0, "how long a trip may take (default: by ISO and accelerator)")
	f.BoolVar(&r.keep, "keep", false, "keep images and disks, too")
	f.BoolVar(&r.list, "list", false, "list the drills")
	f.BoolVar(&r.asJSON, "json", false, "say the result as JSON")
	return cmd
}

// patience is how many times longer than expected a trip may take.
const patience = 3

func (r *rehearsing) run(ctx context.Context) error {
	if r.list {
		for _, d := range rehearsal.Drills() {
			fmt.Fprintf(r.t.stdout, "%-16s %s\n", d.Name, d.Says)
		}
		return nil
	}
	if !slices.Contains(rehearsal.Steps, r.until) {
		return usage("--until %q is no step; steps are %s", r.until, strings.Join(rehearsal.Steps, ", "))
	}
	if !slices.Contains([]string{"uefi", "bios"}, r.firmware) {
		return usage("--firmware is uefi or bios")
	}
	names, err := r.chosen()
	if err != nil {
		return err
	}
	c, err := loadProfile(r.profile)
	if err != nil {
		return err
	}
	binary, err := agent.Open()
	if err != nil {
		return err
	}
	path, err := findISO(ctx, r.t, r.iso, c.Proxmox.Version)
	if err != nil {
		return err
	}
	source, err := openSource(ctx, r.t, path)
	if err != nil {
		return err
	}
	defer source.Close()
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return err
	}
	ready := rehearsal.Check(ctx, dir, len(c.Nodes), source.Size, source.Practice, qemu.Firmware(r.firmware), qemu.Accel(r.accel))
	if err := ready.Err(); err != nil {
		return &exit{exitPrecondition, err}
	}
	limit := time.Duration(r.minutes) * time.Minute
	if r.minutes == 0 {
		limit = ready.Expect * patience
	}
	r.t.say("rehearsing %s with %s: %d machines, %d MiB of memory, accelerator %s; about %s each trip, at most %s",
		c.Cluster.Name, source.Name, len(c.Nodes), ready.MemoryMiB, ready.Accel, ready.Expect, limit)
	show := r.shower()
	o := rehearsal.DrillOptions{
		Options: rehearsal.Options{
			Profile: c.Profile, Base: source.Base, Agent: binary, Builder: version, Dir: dir,
			Firmware: qemu.Firmware(r.firmware), Accel: ready.Accel, Say: show.event,
		},
		Until: r.until, Seed: r.seed, Patient: limit, Table: show.table, Done: r.account,
	}
	defer show.end()
	if len(names) == 0 {
		return r.trip(ctx, o, show)
	}
	if slices.Contains(names, "other-version") && source.Practice {
		other, err := otherPractice(ctx, r.t)
		if err != nil {
			return err
		}
		defer other.Close()
		o.Other = other.Base
	}
	return r.drill(ctx, names, o, show)
}

// chosen are the names of the drills, checked.
func (r *rehearsing) chosen() ([]string, error) {
	var all []string
	for _, d := range rehearsal.Drills() {
		all = append(all, d.Name)
	}
	if slices.Equal(r.drills, []string{"all"}) {
		return all, nil
	}
	for _, name := range r.drills {
		if !slices.Contains(all, name) {
			return nil, usage("there is no drill %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	return r.drills, nil
}

// otherPractice is a practice ISO whose Proxmox VE is of another version.
func otherPractice(ctx context.Context, t *terminal) (*source, error) {
	path, err := base.PracticeOf(ctx, "9.2.10", func(what string) { t.say("practice ISO of another version: %s", what) })
	if err != nil {
		return nil, err
	}
	return openSource(ctx, t, path)
}

// account writes the report of a table, and clears away what is large.
func (r *rehearsing) account(table *rehearsal.Rehearsal, problem error) {
	text := table.Report("Rehearsal: "+filepath.Base(table.Dir()), problem)
	if err := writeWhole(filepath.Join(table.Dir(), rehearsal.ReportFile), []byte(text), 0o644); err != nil {
		r.t.say("report: %v", err)
	}
	if !r.keep && problem == nil {
		if err := table.Clear(); err != nil {
			r.t.say("images and disks are still in %s: %v", table.Dir(), err)
		}
	}
}

// trip is the plain one.
func (r *rehearsing) trip(ctx context.Context, o rehearsal.DrillOptions, show *shower) error {
	table, err := rehearsal.New(ctx, o.Options)
	if err != nil {
		return err
	}
	show.table(table)
	limited, cancel := context.WithTimeoutCause(ctx, o.Patient, fmt.Errorf("the trip had %s: %w", o.Patient, context.DeadlineExceeded))
	defer cancel()
	err = table.Trip(limited, r.until)
	show.end()
	table.Close()
	r.account(table, err)
	report := filepath.Join(o.Dir, rehearsal.ReportFile)
	if r.asJSON {
		return errors.Join(verdict(err), writeJSON(r.t.stdout, struct {
			Version  int                   `json:"version"`
			Well     bool                  `json:"well"`
			Report   string                `json:"report"`
			Timeline []rehearsal.StageTime `json:"timeline"`
		}{1, err == nil, report, table.Timeline()}))
	}
	for _, s := range table.Timeline() {
		fmt.Fprintf(r.t.stdout, "%-12s %6.0f s\n", s.Stage, s.Took.Seconds())
	}
	fmt.Fprintf(r.t.stdout, "report       %s\n", report)
	return verdict(err)
}

// drill runs the named drills one after the other.
func (r *rehearsing) drill(ctx context.Context, names []string, o rehearsal.DrillOptions, show *shower) error {
	var all []rehearsal.Outcome
	var failed []string
	for _, name := range names {
		out, err := rehearsal.RunDrill(ctx, name, o)
		if err != nil {
			return err
		}
		show.end()
		all = append(all, out)
		word := "passed"
		if out.Err != nil {
			word = "FAILED"
			failed = append(failed, name)
		}
		if !r.asJSON {
			fmt.Fprintf(r.t.stdout, "%-16s %s %5.0f s  %s\n", name, word, out.Seconds, out.Says)
			if out.Err != nil {
				fmt.Fprintf(r.t.stdout, "%17s%s\n", "", out.Problem)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if r.asJSON {
		if err := writeJSON(r.t.stdout, struct {
			Version int                 `json:"version"`
			Seed    uint64              `json:"seed"`
			Drills  []rehearsal.Outcome `json:"drills"`
		}{1, o.Seed, all}); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &exit{exitUnverified, fmt.Errorf("%d of %d drills failed: %s (again with --seed %d)", len(failed), len(all), strings.Join(failed, ", "), o.Seed)}
	}
	return nil
}

// verdict gives the error of a trip its exit code.
func verdict(err error) error {
	switch {
	case err == nil || errors.Is(err, errInterrupted):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &exit{exitTimeout, err}
	case errors.Is(err, rehearsal.ErrMachine), errors.Is(err, rehearsal.ErrJudged):
		return &exit{exitUnverified, err}
	}
	return err
}

// shower shows the machines: on a terminal as a picture that is drawn anew,
// elsewhere as lines.
type shower struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	shown *rehearsal.Rehearsal
	lines int
	stop  chan struct{}
	done  sync.WaitGroup
}

// drawEvery is how often the picture is drawn.
const drawEvery = time.Second

func (r *rehearsing) shower() *shower {
	s := &shower{out: r.t.stderr}
	if f, ok := r.t.stderr.(*os.File); ok {
		s.live = term.IsTerminal(int(f.Fd()))
	}
	return s
}

// table begins to show a table.
func (s *shower) table(t *rehearsal.Rehearsal) {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		return
	}
	s.shown, s.stop, s.lines = t, make(chan struct{}), 0
	stop := s.stop
	s.done.Go(func() {
		tick := time.NewTicker(drawEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.draw()
			}
		}
	})
}

func (s *shower) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		return
	}
	text := rehearsal.Picture(s.shown.Views())
	if s.lines > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\x1b[J", s.lines)
	}
	fmt.Fprint(s.out, text)
	s.lines = strings.Count(text, "\n")
}

// event shows what happened, where nobody looks at a picture. It is called
// with the table's lock held, so it only writes.
func (s *shower) event(e rehearsal.Event) {
	if !s.live {
		fmt.Fprintf(s.out, "%7.1f %-14s %s\n", e.At.Seconds(), e.Node, e.Text)
	}
}

// end leaves the picture as it is.
func (s *shower) end() {
	s.mu.Lock()
	if s.shown != nil {
		close(s.stop)
		s.shown = nil
	}
	s.mu.Unlock()
	s.done.Wait()
}
