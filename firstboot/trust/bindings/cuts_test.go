package bindings

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"testing"
)

// Two members change one binding at the same time: all end with the same one.
func TestConcurrentChangesConverge(t *testing.T) {
	for range 20 {
		s := newSite(t)
		s.agree()
		a, b := s.stick("russell", 2).machine(), s.stick("russell", 2).machine()
		for on, m := range map[string]machine{"frege": a, "wittgenstein": b} {
			if _, _, err := s.books[on].Admit("russell", ""); err != nil {
				t.Fatal(err)
			}
			if got := s.judge(on, m, "russell"); got != "" {
				t.Fatal(got)
			}
			if _, err := s.books[on].Take("russell", s.machines[on].key); err != nil {
				t.Fatal(err)
			}
		}
		s.talk()
		s.same()
	}
}

// A power cut at every write of agreeing, admitting, revoking and renewing:
// after the next start the node has the bindings from before or from after,
// and once they talk all have the same.
func TestPowerCutsAtEveryWrite(t *testing.T) {
	cuts, diverged := 0, 0
	acts := map[string]func(s *site){
		"agree": func(s *site) { s.agreeQuietly() },
		"admit": func(s *site) {
			s.agreeQuietly()
			fresh := s.stick("russell", 2).machine()
			s.books["frege"].Admit("russell", "")                              //nolint:errcheck // the disk may be gone
			s.books["frege"].Judge(fresh.enrolment, fresh.public(), "russell") //nolint:errcheck
			s.books["frege"].Take("russell", s.machines["frege"].key)          //nolint:errcheck
		},
		"revoke": func(s *site) {
			s.agreeQuietly()
			s.books["frege"].Revoke("russell", s.machines["frege"].key) //nolint:errcheck
		},
		"renew": func(s *site) {
			s.agreeQuietly()
			public, _, _ := ed25519.GenerateKey(rand.Reader)
			s.books["russell"].Renew(public, s.machines["russell"].key) //nolint:errcheck
		},
	}
	for name, act := range acts {
		for _, victim := range three {
			for after := range 5 {
				s := newSite(t)
				s.disks[victim].left = after
				act(s)
				s.disks[victim].left = -1
				s.start(victim)
				cuts++
				s.agreeQuietly() // the gate goes on
				s.talk()
				for _, n := range three {
					if s.books[n].Hash() != s.books["frege"].Hash() || s.books[n].Hash() == "" {
						diverged++
						t.Errorf("%s, %s cut after %d writes: %s differs", name, victim, after, n)
					}
				}
			}
		}
	}
	t.Logf("\nfigure trust.enrol_cuts %d count\nfigure trust.enrol_diverged %d count", cuts, diverged)
}

// agreeQuietly is agree for disks that may be gone.
func (s *site) agreeQuietly() {
	for _, n := range three {
		for _, o := range three {
			m := s.machines[o]
			s.books[n].Judge(m.enrolment, m.public(), o) //nolint:errcheck
		}
	}
	set, words := s.books["frege"].Sees(), map[string][]byte{}
	for n, m := range s.machines {
		words[n] = set.Sign(m.key)
	}
	for _, n := range three {
		s.books[n].Agree(set, words) //nolint:errcheck
	}
}

// Every part of a document is needed, and every change of it is noticed.
func TestDocumentsThatWereTamperedWith(t *testing.T) {
	s := newSite(t)
	s.agree()
	if _, err := s.books["frege"].Revoke("russell", s.machines["frege"].key); err != nil {
		t.Fatal(err)
	}
	good, _ := s.books["frege"].Document()
	if _, err := good.Verify(s.ca, three); err != nil {
		t.Fatal(err)
	}
	copyOf := func() Document {
		var d Document
		text, _ := json.Marshal(good)
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	foreign := newOffice(t)
	for name, change := range map[string]func(*Document){
		"another version":     func(d *Document) { d.Version = 2 },
		"a node missing":      func(d *Document) { delete(d.Set.Enrolments, "russell") },
		"a node too many":     func(d *Document) { d.Set.Enrolments["goedel"] = d.Set.Enrolments["russell"] },
		"nobody agreed":       func(d *Document) { d.Signatures = nil },
		"two names exchanged": func(d *Document) { e := d.Set.Enrolments; e["frege"], e["russell"] = e["russell"], e["frege"] },
		"another machine":     func(d *Document) { d.Set.Enrolments["russell"] = s.stick("russell", 1).machine().enrolment },
		"another ca":          func(d *Document) { d.Set.Enrolments["russell"] = foreign.stick("russell", 1).machine().enrolment },
		"the voucher's own key": func(d *Document) {
			e := d.Set.Enrolments["russell"]
			e.Own = e.Voucher
			d.Set.Enrolments["russell"] = e
		},
		"a statement by somebody": func(d *Document) { d.Statements[0].By = "wittgenstein" },
		"a statement for another": func(d *Document) { d.Statements[0].Node = "wittgenstein" },
		"a statement twice":       func(d *Document) { d.Statements = append(d.Statements, d.Statements[0]) },
		"a later generation":      func(d *Document) { d.Statements[0].Generation = 7 },
		"an unknown kind": func(d *Document) {
			d.Statements[0] = Statement{Kind: "give", Node: "russell", By: "frege", Generation: 1}.Signed(s.machines["frege"].key)
		},
		"too many statements": func(d *Document) { d.Statements = make([]Statement, MaxStatements+1) },
	} {
		d := copyOf()
		change(&d)
		if _, err := d.Verify(s.ca, three); err == nil {
			t.Errorf("%s was not noticed", name)
		}
	}
	if state, err := copyOf().Verify(s.ca, three); err != nil || len(state) != 3 {
		t.Error(err)
	}
}
