package matrix_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/report"
	"ringboot/profiles"
)

// evil is a coordinator that orders power cuts as it likes.
type evil struct {
	*bench
	from string
	runs int
}

// during does something while the world goes on.
func (b *bench) during(name string, do func()) {
	b.t.Helper()
	done := false
	b.w.Sim().Go(name, func() { do(); done = true })
	if !b.runUntil(time.Hour, func() bool { return done }) {
		b.t.Fatalf("%s did not come to an end", name)
	}
}

// order names a victim and orders the cut, after it made it forget all that it
// knows of an acceptance, and tells whether the power went.
func (e *evil) order(victim string) (cut bool, why error) {
	before := len(e.w.Notes("reset"))
	e.during("evil", func() {
		boot, err := e.w.Node(victim).Files().ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			e.t.Error(err)
		}
		e.runs++
		run := fmt.Sprintf("evil-%d", e.runs)
		record := map[string]any{"version": 1, "run": run, "coordinator": e.from, "only": []string{"power-cut"}, "victim": victim,
			"cut": map[string]any{"victim": victim, "boot": strings.TrimSpace(string(boot)), "sent": true}}
		for _, ask := range []struct {
			method string
			in     any
		}{{"accept.forget", nil}, {"accept.put", record}, {"accept.cut", run}} {
			why = e.mem.Node(e.from).Call(e.t.Context(), victim, ask.method, ask.in, nil)
		}
	})
	if cut = len(e.w.Notes("reset")) > before; cut { // it starts again
		e.runUntil(time.Hour, func() bool { return e.agents[victim].alive })
	}
	return cut, why
}

// consent is typed by root on a node.
func (b *bench) consent(node string) {
	b.t.Helper()
	b.during("root on "+node, func() {
		if _, err := b.accept[node].Consent(); err != nil {
			b.t.Error(err)
		}
	})
}

// refused makes sure that an order is refused, with a sentence.
func (e *evil) refused(what, victim, says string) {
	e.t.Helper()
	if cut, err := e.order(victim); cut || err == nil || !strings.Contains(err.Error(), says) {
		e.t.Errorf("%s: cut %v, %v, not: %s", what, cut, err, says)
	}
}

const consentFile = "/var/lib/ringboot/power-cut-consent"

// Whatever the coordinator says, a node that was accepted is reset only by the
// word of root on itself, and that is good for one cut.
func TestNoPowerCutButByTheVictimsOwnConsent(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(60))
	}
	e := &evil{bench: b, from: "frege"}
	const spent = "the profile of wittgenstein consented to the power cut of the first acceptance, and root on it to no other one"
	e.refused("the profile's consent again", "wittgenstein", spent)
	e.refused("a node that the profile does not name", "russell", "the profile of russell does not consent")
	b.consent("russell")
	e.refused("another node's consent", "wittgenstein", spent)
	copied, err := b.w.Node("russell").Files().ReadFile(consentFile)
	if err != nil {
		t.Fatal(err)
	}
	b.write("wittgenstein", consentFile, string(copied))
	e.refused("a copy of another node's consent", "wittgenstein", spent)
	later, _ := json.Marshal(map[string]any{"node": "wittgenstein", "until": b.now().Add(3 * time.Hour)})
	b.write("wittgenstein", consentFile, string(later))
	e.refused("a clock that was set back", "wittgenstein", spent)
	b.consent("wittgenstein")
	b.runUntil(61*time.Minute, func() bool { return false })
	e.refused("a consent that is over", "wittgenstein", spent)
	stranger := &evil{bench: b, from: "russell"}
	b.consent("wittgenstein")
	stranger.refused("a node that does not coordinate", "wittgenstein", "from frege only")
	if cut, err := e.order("wittgenstein"); !cut {
		t.Fatalf("with the consent of root on it: %v", err)
	}
	if _, err := b.w.Node("wittgenstein").Files().Lstat(consentFile); err == nil {
		t.Error("the consent is there again after the cut")
	}
	e.refused("a consent that was used up", "wittgenstein", spent)
}

// While forming, the profile on the victim's own disk consents to one cut.
func TestTheProfileConsentsOnceOnTheVictimsOwnDisk(t *testing.T) {
	p := storageProfile()
	p.Acceptance.PowerCut = profiles.ConsentNo // of the coordinator
	b := newBench(t, 1, p)
	defer b.close()
	own := *p
	own.Acceptance.PowerCut = profiles.ConsentYes
	b.agents["wittgenstein"].profile = &own
	b.startAll()
	b.runUntil(5*time.Minute, func() bool { return false })
	e := &evil{bench: b, from: "frege"}
	e.refused("a profile that does not consent", "russell", "the profile of russell does not consent")
	if cut, err := e.order("wittgenstein"); !cut {
		t.Fatalf("its own profile consents: %v", err)
	}
	e.refused("once more while forming", "wittgenstein", "to no other one")
}

// Another whole acceptance wants the consent anew, and then cuts once.
func TestTheAcceptanceAgainWantsTheVictimsConsent(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(60))
	}
	first := b.reportOf("frege")
	repeat := func(a acceptance.Again) (err error) {
		b.during("operator", func() { err = b.accept["frege"].Repeat(t.Context(), a) })
		return err
	}
	for _, a := range []acceptance.Again{{}, {Drills: []string{"power-cut"}, Victim: "wittgenstein"}} {
		if err := repeat(a); err == nil || err.Error() != "wittgenstein does not consent to a power cut: run firstboot accept --consent on it, within an hour before this, or name other drills with --drill" {
			t.Errorf("%+v: %v", a, err)
		}
	}
	again := func() bool { return b.allFormed() && b.reportOf("russell").Run != first.Run }
	// The drills without the cut need nobody's word.
	if err := repeat(acceptance.Again{Drills: []string{"corosync"}}); err != nil || !b.runUntil(2*time.Hour, again) {
		t.Fatalf("corosync alone: %v\n%s", err, b.tail(40))
	}
	first = b.reportOf("frege")
	b.consent("wittgenstein")
	if err := repeat(acceptance.Again{Drills: []string{"power-cut"}, Victim: "wittgenstein"}); err != nil || !b.runUntil(2*time.Hour, again) {
		t.Fatalf("with consent: %v\n%s", err, b.tail(40))
	}
	if d := drillOf(b.reportOf("frege"), "power-cut"); d.Outcome != report.Passed {
		t.Errorf("%+v", d)
	}
	if resets := b.w.Notes("reset"); len(resets) != 2 {
		t.Errorf("resets: %v", resets)
	}
}

// A consent that ends before the drill comes is no failure of the cluster.
func TestAConsentThatEndsBeforeTheCut(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(60))
	}
	first := b.reportOf("frege")
	b.consent("wittgenstein")
	var err error
	b.during("operator", func() { err = b.accept["frege"].Repeat(t.Context(), acceptance.Again{}) })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.w.Node("wittgenstein").Files().Remove(consentFile); err != nil {
		t.Fatal(err)
	}
	if !b.runUntil(2*time.Hour, func() bool { return b.allFormed() && b.reportOf("russell").Run != first.Run }) {
		t.Fatalf("no new report:\n%s", b.tail(40))
	}
	d := drillOf(b.reportOf("frege"), "power-cut")
	if d.Outcome != report.Untried || d.Sentence != "wittgenstein does not consent to a power cut now: run firstboot accept --consent on it, and then firstboot accept --power-cut wittgenstein" {
		t.Errorf("%+v", d)
	}
	if resets := b.w.Notes("reset"); len(resets) != 1 {
		t.Errorf("resets: %v", resets)
	}
}

// A machine in another's place has the profile, and the acceptance is not its first.
func TestAReplacedMachineIsNotCutByTheProfile(t *testing.T) {
	b := newBench(t, 1, storageProfile())
	defer b.close()
	b.startAll()
	if !b.finish(2 * time.Hour) {
		t.Fatalf("no report:\n%s", b.tail(60))
	}
	b.newMachine("wittgenstein", false)
	b.runUntil(3*time.Minute, func() bool { return false })
	b.admit("frege", "wittgenstein")
	if !b.runUntil(2*time.Hour, func() bool { return cluster.Taken(b.w.Node("wittgenstein").Files()) != "" }) {
		t.Fatal(b.tail(40))
	}
	e := &evil{bench: b, from: "frege"}
	e.refused("the profile of a machine in another's place", "wittgenstein", "to no other one")
}

func drillOf(r *report.Report, name string) report.Drill {
	for _, d := range r.HA.Drills {
		if d.Name == name {
			return d
		}
	}
	return report.Drill{}
}
