package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/pve/corosync"
	"ringboot/firstboot/step"
)

// A cluster grows while all its nodes are there and run with the same
// configuration, one node at a time.
func TestWhatKeepsAClusterFromGrowing(t *testing.T) {
	c := formed(t, whole3())
	s, answer, fails := c.clusters["frege"], c.clusters["russell"].look(), error(nil)
	c.Machine("russell").Answers().Handle(methodView, func(context.Context, string, json.RawMessage) (any, error) { return answer, fails })
	own := s.look()
	const all = "the cluster grows while all its nodes are there: "
	apart := func(want string) {
		t.Helper()
		if got := s.apart(t.Context(), own, "goedel"); got != want {
			t.Errorf("%s\nnot: %s", got, want)
		}
	}
	apart("")
	for _, k := range []struct {
		spoil func(v *view)
		want  string
	}{
		{func(v *view) { v.Sum = "other" }, "corosync of russell runs with version 3 of the configuration, frege has 3"},
		{func(v *view) { v.HostSum = "other" }, "corosync of russell runs with version 3 of the configuration, frege has 3"},
		{func(v *view) { v.Runs = 2 }, "corosync of russell runs with version 2 of the configuration, frege has 3"},
		{func(v *view) { v.Quorate = false }, "russell has no quorum"},
	} {
		good := answer
		k.spoil(&answer)
		apart(all + k.want)
		answer = good
	}
	fails = errors.New("it is settled")
	apart(all + "russell does not say how it is (russell answered to cluster.view: it is settled); if its builder has left, run firstboot admit goedel again")
	if why := s.apart(t.Context(), own, "russell"); why != "" { // it is the one that comes
		t.Errorf("%s", why)
	}
	fails = nil
	own.Synced = []string{"frege", "wittgenstein"}
	apart(all + "/etc/pve of frege and russell has not synchronised yet")
	own.Quorate = false
	apart(all + "frege has no quorum")
	s.one.Lock()
	if why, err := s.grow(t.Context(), "russell"); err != nil || why != "russell is being added to principia" {
		t.Errorf("%q %v", why, err)
	}
	s.one.Unlock()
	if why, err := s.grow(t.Context(), "russell"); err != nil || why != "" { // it is listed already
		t.Errorf("%q %v", why, err)
	}
	// What a plan is worth without bindings, and without a ring.
	if s.fingerprint("russell") != "" {
		t.Error("nobody is bound")
	}
	s.o.Bound = func(node string) string { return "of " + node }
	if s.fingerprint("russell") != "of russell" {
		t.Error("the binding does not count")
	}
}

// A node without a vote waits for its turn while somebody else edits the
// configuration, and has its vote after that.
func TestAVoteWaitsForItsTurn(t *testing.T) {
	c := formed(t, whole3())
	s, files := c.clusters["frege"], c.World.Node("frege").Files()
	raw, err := files.ReadFile(pve.ConfFile)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = corosync.WithVotes(raw, "frege", 0); err != nil {
		t.Fatal(err)
	}
	const lock = "/etc/pve/priv/lock/file-corosync_conf"
	if err := errors.Join(files.WriteDirect(pve.ConfFile, raw), files.MkdirAll(lock, 0o755)); err != nil {
		t.Fatal(err)
	}
	votes := func(want int) {
		t.Helper()
		text, err := files.ReadFile(pve.ConfFile)
		if err != nil {
			t.Fatal(err)
		}
		conf, err := corosync.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := conf.Node("frege"); !ok || n.Votes != want {
			t.Errorf("frege has %d votes, not %d:\n%s", n.Votes, want, text)
		}
	}
	err = c.Do(func() error { return s.vote(t.Context()) })
	if want := "frege waits for its vote: " + pve.ErrLocked.Error(); err == nil || err.Error() != want || !step.IsNotYet(err) {
		t.Errorf("%v\nnot: %s", err, want)
	}
	votes(0)
	if err := files.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(func() error { return s.vote(t.Context()) }); err != nil {
		t.Error(err)
	}
	votes(1)
}
