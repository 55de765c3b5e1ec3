package acceptance

import (
	"io/fs"
	"syscall"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/report"
	"ringboot/firstboot/storage"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Who skips what is over is told so, and nothing is promised.
func TestSkippingAfterTheEndSaysThatItIsOver(t *testing.T) {
	h := host.New(t.TempDir())
	record := []byte(`{"version": 1, "run": "x", "done": true}`)
	if err := h.Files.WriteFile(acceptFile, record, 0o600); err != nil {
		t.Fatal(err)
	}
	p := profiles.Default()
	o := storage.Options{}
	o.Host, o.Profile, o.Node = h, p, CoordinatorOf(p)
	err := NewAccept(o, nil, nil).Skip(t.Context())
	if err == nil || fault.Of(err) != fault.Precondition ||
		err.Error() != "the acceptance is over, and nothing is left to skip: peers report shows how it ended, and firstboot accept begins another" {
		t.Errorf("%v", err)
	}
	if now, err := h.Files.ReadFile(acceptFile); err != nil || string(now) != string(record) {
		t.Errorf("the record was changed: %s %v", now, err)
	}
}

// A power cut that is only proposed is not for nodes that a playbook drives: it
// would lose its connection, and nobody sits before them.
func TestAPlaybookTakesAProposalForANo(t *testing.T) {
	for word, left := range map[profiles.Consent]bool{profiles.ConsentAsk: true, profiles.ConsentYes: false} {
		p := profiles.Default()
		p.Acceptance.PowerCut = word
		o := storage.Options{Seed: profiles.Seed{Driven: true}}
		o.Host, o.Profile, o.Node = host.New(t.TempDir()), p, "wittgenstein"
		s := NewAccept(o, nil, nil)
		if why := s.untried(&Record{}, drills()[len(drills())-1]); (why != "") != left || s.word.Answer().Proposes || p.Acceptance.PowerCut != word {
			t.Errorf("%s: %q, %+v", word, why, s.word.Answer())
		}
	}
}

// While the drills run, the views say which one it is and how the others came out.
func TestTheDrillsTickOff(t *testing.T) {
	s := &Accept{}
	if got := s.Doing(); got != "" {
		t.Errorf("before: %q", got)
	}
	r := &Record{}
	all := drills()
	s.tell(r, all[0])
	if got := s.Doing(); got != "drill 1 of 7 runs: management" {
		t.Errorf("the first: %q", got)
	}
	r.Drills = []report.Drill{all[2].outcome(report.Drill{Outcome: report.Failed}), all[0].outcome(report.Drill{Outcome: report.Passed}),
		all[1].outcome(report.Drill{Outcome: report.Warnings}), all[3].outcome(report.Drill{Outcome: report.Untried})}
	s.tell(r, all[4])
	if got := s.Doing(); got != "drill 5 of 7 runs: migration; so far: management passed, corosync passed with warnings, bandwidth failed, storage not tried" {
		t.Errorf("the fifth: %q", got)
	}
}

// refusing are files of a disk that takes nothing.
type refusing struct{ host.Files }

func (refusing) WriteFile(string, []byte, fs.FileMode) error { return syscall.EROFS }

// A drill is run only once its record lies on the disk: where that takes nothing,
// saving says so.
func TestARecordThatCannotBeWrittenIsAnError(t *testing.T) {
	var o storage.Options
	o.Host = host.Host{Files: refusing{}}
	if err := (&Accept{o: o}).save(&Record{}); err == nil || err.Error() != "write the record of the acceptance: read-only file system" {
		t.Errorf("saving said %v", err)
	}
}
