package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ringboot/cmd/cli"
	"ringboot/profiles/fault"
	"ringboot/rehearsal"
)

// trip is the plain one.
func (r *rehearsing) trip(ctx context.Context, o rehearsal.DrillOptions, show *shower) error {
	table, err := rehearsal.New(ctx, o.Options)
	if err != nil {
		return r.beside(err)
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
		return errors.Join(err, cli.JSON(r.t.Stdout, struct {
			Version  int                   `json:"version"`
			Well     bool                  `json:"well"`
			Report   string                `json:"report"`
			Timeline []rehearsal.StageTime `json:"timeline"`
		}{1, err == nil, report, table.Timeline()}))
	}
	for _, s := range table.Timeline() {
		fmt.Fprintf(r.t.Stdout, "%-12s %6.0f s\n", s.Stage, s.Took.Seconds())
	}
	fmt.Fprintf(r.t.Stdout, "report       %s\n", report)
	return err
}

// beside names the ways out where an earlier rehearsal has left its machines.
func (r *rehearsing) beside(err error) error {
	if !errors.Is(err, rehearsal.ErrOld) {
		return err
	}
	if len(r.drills) > 0 {
		return fmt.Errorf("%w: --fresh removes them, --dir names another place", err)
	}
	return fmt.Errorf("%w: --fresh removes them, --resume goes on with them, --dir names another place", err)
}

// account writes the report of a table, and clears away what is large.
func (r *rehearsing) account(table *rehearsal.Rehearsal, problem error) {
	text := table.Report("Rehearsal: "+filepath.Base(table.Dir()), problem)
	if err := os.WriteFile(filepath.Join(table.Dir(), rehearsal.ReportFile), []byte(text), 0o644); err != nil {
		r.t.Warn("report: %v", err)
	}
	if !r.keep && problem == nil {
		if err := table.Clear(); err != nil {
			r.t.Warn("images and disks are still in %s: %v", table.Dir(), err)
		}
	}
}

// drill runs the named drills one after the other.
func (r *rehearsing) drill(ctx context.Context, o rehearsal.DrillOptions, show *shower) error {
	var all []rehearsal.Outcome
	var failed []string
	for i, name := range r.drills {
		r.t.Say("drill %d of %d, %s (seed %d)", i+1, len(r.drills), name, o.Seed)
		out, err := rehearsal.RunDrill(ctx, name, o)
		if err != nil {
			return err
		}
		show.end()
		if errors.Is(out.Err, rehearsal.ErrOld) {
			return r.beside(out.Err)
		}
		all = append(all, out)
		word := "passed"
		if out.Err != nil {
			word = "FAILED"
			failed = append(failed, name)
		}
		if !r.asJSON {
			fmt.Fprintf(r.t.Stdout, "%-16s %s %5.0f s  %s\n", name, word, out.Seconds, out.Says)
			if out.Err != nil {
				fmt.Fprintf(r.t.Stdout, "%17s%s\n", "", out.Problem)
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if r.asJSON {
		if err := cli.JSON(r.t.Stdout, struct {
			Version int                 `json:"version"`
			Seed    uint64              `json:"seed"`
			Drills  []rehearsal.Outcome `json:"drills"`
		}{1, o.Seed, all}); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return fault.Unverified.Errorf("%d of %d drills failed: %s (again with --seed %d)", len(failed), len(all), strings.Join(failed, ", "), o.Seed)
	}
	return nil
}
