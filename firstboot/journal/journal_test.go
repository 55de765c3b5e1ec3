package journal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/journal"
	"ringboot/rehearsal/crash"
)

var start = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

func open(t *testing.T, m host.Host) *journal.Journal {
	t.Helper()
	j, err := journal.Open(m.Files, m.Clock, journal.Path)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func machine(t *testing.T) host.Host {
	m := host.New(t.TempDir())
	m.Clock = crash.NewClock(start)
	return m
}

func TestJournalKeepsWhatItWasTold(t *testing.T) {
	m := machine(t)
	j := open(t, m)
	if host.Exists(m.Files, journal.Path) {
		t.Fatal("opening the journal wrote it")
	}
	must(t, j.Intend("base", "write /etc/hosts"))
	must(t, j.Note("base", "started"))
	if _, err := j.Enter("base", "waiting", "no network"); err != nil {
		t.Fatal(err)
	}
	m.Clock.(*crash.Clock).Advance(time.Hour)

	again := open(t, m)
	if got := again.Intent("base"); got != "write /etc/hosts" {
		t.Errorf("intent %q", got)
	}
	since, err := again.Enter("base", "waiting", "still no network")
	if err != nil || !since.Equal(start) {
		t.Errorf("waiting since %v (%v), want the first time %v", since, err, start)
	}
	must(t, again.Settle("base"))
	if got := open(t, m).Intent("base"); got != "" {
		t.Errorf("intent %q after it was settled", got)
	}
}

func TestJournalIsBounded(t *testing.T) {
	j := open(t, machine(t))
	for i := range 1000 {
		must(t, j.Note("", fmt.Sprint("event ", i)))
	}
	events := j.Events(10000)
	if len(events) != 400 || events[399].Text != "event 999" {
		t.Errorf("%d events, last %q", len(events), events[len(events)-1].Text)
	}
}

func TestJournalThatCannotBeReadOnlyCostsHistory(t *testing.T) {
	for _, text := range []string{"", "{", `{"version":0}`, "\x00\x00\x00"} {
		m := machine(t)
		must(t, m.Files.WriteFile(journal.Path, []byte(text), 0o600))
		j := open(t, m)
		must(t, j.Note("", "on we go"))
		events := open(t, m).Events(10)
		if len(events) != 2 || !strings.Contains(events[0].Text, "history before this is lost") {
			t.Errorf("after %q: %v", text, events)
		}
	}
}

// A disk that does not give the journal back keeps no agent from its work; what
// a person must mend is said when it is written.
func TestAJournalOnABadDiskOnlyCostsHistory(t *testing.T) {
	m := machine(t)
	must(t, m.Files.MkdirAll(journal.Path, 0o755)) // reading fails, as a bad sector does
	j := open(t, m)
	if events := j.Events(10); len(events) != 1 || !strings.Contains(events[0].Text, "could not be read (is a directory), the history before this is lost") {
		t.Errorf("%v", events)
	}
	if err := j.Note("", "on we go"); err == nil {
		t.Error("what does not reach the disk is not said")
	}
	must(t, m.Files.Remove(journal.Path))
	must(t, j.Note("", "and on"))
	if events := open(t, m).Events(10); len(events) != 3 {
		t.Errorf("%v", events)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheJournalOfANewerAgentIsLeftAlone(t *testing.T) {
	m := machine(t)
	const text = `{"version":99}`
	must(t, m.Files.WriteFile(journal.Path, []byte(text), 0o600))
	if _, err := journal.Open(m.Files, m.Clock, journal.Path); err == nil || !strings.Contains(err.Error(), "a newer agent wrote it, install that one again") {
		t.Error(err)
	}
	if left, err := m.Files.ReadFile(journal.Path); err != nil || string(left) != text {
		t.Errorf("%q, %v", left, err)
	}
}
