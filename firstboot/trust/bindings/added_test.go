package bindings

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"
)

// grownBook is the book of a node whose plan has grown by hume, on the disk of the old one.
func (s *site) grownBook(t testing.TB, node string, added ...string) *Book {
	t.Helper()
	b, err := Open(Options{Files: s.disks[node], CA: s.ca, Nodes: append(append([]string{}, three...), "hume"), Added: added, Self: node, Now: func() time.Time { return s.clock }})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A node that is added to bound nodes counts once root on a member has admitted
// its machine: one node, one key, half an hour; the others take it over from that
// member's word, if their own plan has the node.
func TestAnAddedNodeIsBoundByAdmission(t *testing.T) {
	s := newSite(t)
	s.agree()
	frege, russell := s.grownBook(t, "frege", "hume"), s.grownBook(t, "russell", "hume")
	hume, thief := s.stick("hume", 1).machine(), s.stick("hume", 1).machine()
	if err := frege.Judge(hume.enrolment, hume.public(), "hume"); err == nil || !strings.Contains(err.Error(), "is added to this cluster: on a member run sudo firstboot admit hume "+Fingerprint(hume.public())) {
		t.Errorf("before anybody admitted it: %v", err)
	}
	if _, _, err := frege.Admit("kant", ""); err == nil {
		t.Error("a node that no plan has is admitted")
	}
	_, waits, err := frege.Admit("hume", Fingerprint(hume.public()))
	if err != nil || waits != Fingerprint(hume.public()) {
		t.Fatalf("%q %v", waits, err)
	}
	if err := frege.Judge(thief.enrolment, thief.public(), "hume"); err == nil {
		t.Error("another machine than the one that root meant is let in")
	}
	if err := frege.Judge(hume.enrolment, hume.public(), "hume"); err != nil {
		t.Error(err)
	}
	if got, err := frege.Take("hume", s.machines["frege"].key); err != nil || got != Fingerprint(hume.public()) {
		t.Fatalf("%q %v", got, err)
	}
	d, _ := frege.Document()
	if changed, err := russell.Adopt(d); err != nil || !changed {
		t.Fatalf("%v %v", changed, err)
	}
	for name, b := range map[string]*Book{"frege": frege, "russell": russell, "frege, started anew": s.grownBook(t, "frege", "hume")} {
		if key, ok := b.Bound("hume"); !ok || !key.Equal(hume.public()) {
			t.Errorf("%s does not know hume", name)
		}
		if err := b.Judge(thief.enrolment, thief.public(), "hume"); err == nil {
			t.Errorf("%s lets a second machine of one stick in", name)
		}
	}
	// The node itself begins with what a member proves.
	own, err := Open(Options{Files: &Memory{}, CA: s.ca, Nodes: append(append([]string{}, three...), "hume"), Added: []string{"hume"}, Self: "hume", Now: func() time.Time { return s.clock }})
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := own.Adopt(d); err != nil || !changed || own.Hash() != frege.Hash() {
		t.Errorf("hume: %v %v", changed, err)
	}
	// A node whose plan has not grown leaves it.
	old := s.books["wittgenstein"]
	if changed, err := old.Adopt(d); err != nil || changed {
		t.Errorf("a node without the plan takes the newcomer: %v %v", changed, err)
	}
}

// Who founded the cluster is not for a document to say: a set that lacks a
// founder, or has more, counts nowhere.
func TestAnAddedNodeIsNoFounder(t *testing.T) {
	s := newSite(t)
	s.agree()
	d, _ := s.books["frege"].Document()
	for name, added := range map[string][]string{"a founder as added": {"hume", "russell"}, "the added one as a founder": nil} {
		if _, err := d.Verify(s.ca, append(append([]string{}, three...), "hume"), added...); err == nil {
			t.Errorf("%s: the document counts", name)
		}
	}
	var nobody ed25519.PublicKey
	if key, ok := s.grownBook(t, "frege", "hume").Bound("hume"); ok || !key.Equal(nobody) {
		t.Error("hume is bound without anybody's word")
	}
}
