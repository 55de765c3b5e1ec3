package matrix_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/report"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// operated runs what a person does on a node, to its end.
func (b *bench) operated(do func() error) (err error) {
	b.t.Helper()
	b.during("operator", func() { err = do() })
	return err
}

// typed runs a program on a node as its owner would type it.
func (b *bench) typed(node string, argv ...string) {
	b.t.Helper()
	err := b.operated(func() error {
		r, err := b.w.Exec(b.t.Context(), node, argv, nil, nil, time.Minute)
		if err == nil && r.Code != 0 {
			err = errors.New(strings.TrimSpace(string(r.Stderr)))
		}
		return err
	})
	if err != nil {
		b.t.Fatalf("%s: %s: %v", node, strings.Join(argv, " "), err)
	}
}

// asked has frege begin another run, as firstboot accept does.
func (b *bench) asked(a acceptance.Again) error {
	b.t.Helper()
	return b.operated(func() error { return b.accept["frege"].Repeat(b.t.Context(), a) })
}

// anew runs until all nodes have a report that is not that of an earlier run.
func (b *bench) anew(run string) *report.Report {
	b.t.Helper()
	if !b.runUntil(2*time.Hour, b.again(run)) {
		b.t.Fatalf("no new report:\n%s", b.tail(80))
	}
	return b.reportOf("frege")
}

// tried are the drills of a report that began at another time than in an earlier one.
func tried(before, after *report.Report) (names []string) {
	began := map[string]time.Time{}
	for _, d := range before.HA.Drills {
		began[d.Name] = d.Started
	}
	for _, d := range after.HA.Drills {
		if !d.Started.Equal(began[d.Name]) {
			names = append(names, d.Name+" "+string(d.Outcome))
		}
	}
	return names
}

// Did fail-over work? can be asked years later, by name, and only where root
// of the machine that is cut said yes.
func TestDrillsOnDemand(t *testing.T) {
	p := storageProfile()
	p.Acceptance.PowerCut = profiles.ConsentNo
	b := newBench(t, 1, p)
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(80))
	}
	cut := func(node string) acceptance.Again {
		return acceptance.Again{Drills: []string{acceptance.PowerCut}, Victim: node}
	}
	refused := func(a acceptance.Again, kind fault.Kind, says string) {
		t.Helper()
		err := b.asked(a)
		if fault.Of(err) != kind || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, not: %s", a, err, says)
		}
	}
	only := func(before, after *report.Report, want string) {
		t.Helper()
		if got := strings.Join(tried(before, after), ", "); got != want {
			t.Errorf("tried anew: %q, not %q", got, want)
		}
		if len(after.HA.Drills) != len(before.HA.Drills) {
			t.Errorf("%d drills in the report, not %d", len(after.HA.Drills), len(before.HA.Drills))
		}
	}
	first := b.reportOf("frege")

	refused(acceptance.Again{Drills: []string{"lunch"}}, fault.Usage, `there is no drill "lunch"; there are management, corosync,`)
	refused(cut("kripke"), fault.Usage, `"kripke" is no node of`)
	refused(cut("frege"), fault.Refused, "frege watches the power cut and is not the one that is cut")
	refused(cut("wittgenstein"), fault.Refused, "wittgenstein does not consent to a power cut: run firstboot accept --consent on it")

	if err := b.asked(acceptance.Again{Drills: []string{"bandwidth"}}); err != nil {
		t.Fatal(err)
	}
	second := b.anew(first.Run)
	only(first, second, "bandwidth passed")

	b.consent("russell")
	refused(cut("wittgenstein"), fault.Refused, "wittgenstein does not consent")
	b.consent("wittgenstein")
	b.typed("wittgenstein", "qm", "create", "100", "--name", "mail", "--memory", "128")
	refused(cut("wittgenstein"), fault.Refused, "guest 100 (mail) is on wittgenstein, and the drill power-cut would not leave it alone")
	b.typed("wittgenstein", "qm", "destroy", "100")

	if err := b.asked(cut("wittgenstein")); err != nil {
		t.Fatal(err)
	}
	third := b.anew(second.Run)
	only(second, third, "power-cut passed")
	if len(third.HA.TimeLine) == 0 {
		t.Error("the report has no time line of the power cut")
	}
	refused(cut("wittgenstein"), fault.Refused, "wittgenstein does not consent") // it was used up

	b.consent("wittgenstein")
	b.runUntil(time.Hour, func() bool { return false })
	refused(cut("wittgenstein"), fault.Refused, "wittgenstein does not consent") // too old
}
