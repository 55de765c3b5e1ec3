package rehearsal

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/qemu"
)

// StageTime is how long the machines together needed for a stage.
type StageTime struct {
	Stage string        `json:"stage"`
	Took  time.Duration `json:"took_ns"`
	At    time.Duration `json:"at_ns"` // since power-on, when the last machine had done it
}

// stages are all stages in order.
func stages() []string {
	return append([]string{StageBoot, StageInstall, StageStart}, profiles.Steps()...)
}

// Timeline says how long each stage took: from when the last machine had done
// the stage before it to when the last machine had done this one. Stages that
// some machine has not done are left out.
func (r *Rehearsal) Timeline() []StageTime {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return timeline(r.watch.reached)
}

func timeline(reached map[string]map[string]time.Duration) []StageTime {
	all := append(stages(), stageFormed)
	var out []StageTime
	var before time.Duration
	for i, stage := range all[:len(all)-1] {
		var last time.Duration
		complete, known := true, false
		for _, times := range reached {
			done := time.Duration(-1)
			for _, later := range all[i+1:] {
				if at, ok := times[later]; ok && (done < 0 || at < done) {
					done = at
				}
			}
			_, began := times[stage]
			known = known || began
			complete = complete && done >= 0
			last = max(last, done)
		}
		if !complete || !known {
			continue
		}
		out = append(out, StageTime{Stage: stage, Took: max(0, last-before), At: last})
		before = max(before, last)
	}
	return out
}

// Report is the written account of a rehearsal, in Markdown. problem is nil
// when it went well.
func (r *Rehearsal) Report(title string, problem error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", title)
	if problem == nil {
		b.WriteString("**It went well.**\n\n")
	} else {
		fmt.Fprintf(&b, "**It did not go well:** %s\n\n", strings.ReplaceAll(problem.Error(), "\n", "\n    "))
	}
	practice, kind := r.options.Base.Practice, ""
	if practice {
		kind = ", PRACTICE"
	}
	fmt.Fprintf(&b, "ISO %s (Proxmox VE %s%s), firmware %s, accelerator %s, %d machines of %d MiB and %d processors each.\n\n",
		r.options.Base.Name, r.options.Base.Release, kind, r.options.Firmware, cmp.Or(r.options.Accel, qemu.TCG),
		len(r.Plan.Machines), r.options.MemoryMiB, r.options.CPUs)
	b.WriteString("## Time line\n\n| stage | seconds | since power-on |\n|---|---|---|\n")
	for _, s := range r.Timeline() {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f |\n", s.Stage, s.Took.Seconds(), s.At.Seconds())
	}
	b.WriteString("\n## Machines\n\n| machine | installed | started | at | why it waits |\n|---|---|---|---|---|\n")
	for _, v := range r.Views() {
		fmt.Fprintf(&b, "| %s | %d times | %d times | %s | %s |\n", v.Node, v.Installs, v.Starts, v.Stage, strings.ReplaceAll(v.Waiting, "|", "/"))
	}
	b.WriteString("\n## What a rehearsal is not\n\n")
	for _, d := range r.Plan.Differences(practice) {
		fmt.Fprintf(&b, "* %s\n", d)
	}
	b.WriteString("\n## What happened\n\n    seconds  machine        what\n")
	for _, e := range r.Events() {
		fmt.Fprintf(&b, "    %7.1f  %-14s %s\n", e.At.Seconds(), e.Node, e.Text)
	}
	return b.String()
}
