package upgrade

import (
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/pve"
)

// What keeps a node from its turn, one thing at a time.
func TestWhenANodeIsNotBegun(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *Order, s *sight)
		want   act
		say    string
	}{
		"nothing":             {func(*Order, *sight) {}, actBegin, "its turn"},
		"nothing to change":   {func(o *Order, _ *sight) { o.Plan["russell"] = nil }, actEnd, "nothing is to be changed"},
		"a pause":             {func(o *Order, _ *sight) { o.Pause = true }, actStop, "paused before russell"},
		"no quorum":           {func(_ *Order, s *sight) { s.quorate = false }, actWait, "the cluster has no quorum"},
		"a node that is off":  {func(_ *Order, s *sight) { s.away = []string{"frege"} }, actWait, "frege is no member now"},
		"a broken ring":       {func(_ *Order, s *sight) { s.ring = map[string]string{"frege": "no cable"} }, actWait, "the ring of frege: no cable"},
		"Ceph is silent":      {func(_ *Order, s *sight) { s.mute = true }, actWait, "Ceph does not answer"},
		"Ceph in error":       {func(_ *Order, s *sight) { s.health.Status = "HEALTH_ERR" }, actWait, "Ceph says HEALTH_ERR"},
		"a monitor is out":    {func(_ *Order, s *sight) { s.health.Quorum = s.health.Quorum[:2] }, actWait, "2 of 3 monitors are in quorum"},
		"an OSD is down":      {func(_ *Order, s *sight) { s.health.Up = 2 }, actWait, "2 of 3 OSDs are up"},
		"copies are missing":  {func(_ *Order, s *sight) { s.health.Clean = 32 }, actWait, "32 of 33 placement groups are clean"},
		"who else leads?":     {func(_ *Order, s *sight) { s.deaf = "frege does not answer" }, actWait, "whether another node leads an upgrade is not known"},
		"another leads":       {func(_ *Order, s *sight) { s.rival = "frege" }, actStop, "frege leads an upgrade, too"},
		"somebody is at work": {func(_ *Order, s *sight) { s.state.Node["russell"] = "maintenance" }, actStop, "somebody is at work"},
	} {
		o := &Order{Nodes: []string{"russell"}, Plan: map[string][]apt.Change{"russell": {{Package: "pve-manager", From: "9.2.2", To: "9.2.14"}}}, Turns: map[string]*Turn{}}
		s := sight{quorate: true, ceph: true, ha: true, state: pve.HAState{Node: map[string]string{"russell": "online"}},
			health: pve.Health{Status: "HEALTH_OK", Monitors: 3, Quorum: []string{"frege", "russell", "wittgenstein"}, OSDs: 3, Up: 3, PGs: 33, Clean: 33}}
		c.change(o, &s)
		if d := decide(o, s); d.act != c.want || d.node != "russell" || !strings.Contains(d.reason, c.say) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A guest that high availability took up elsewhere is told with the way back.
func TestWhatIsElsewhereAtTheEndIsTold(t *testing.T) {
	o := &Order{Nodes: []string{"russell"}, Turns: map[string]*Turn{"russell": {Begun: time.Unix(1, 0), Ended: time.Unix(2, 0)}},
		Homes: map[string]string{"vm:100": "russell", "ct:101": "russell", "vm:102": "frege"}}
	s := sight{quorate: true, state: pve.HAState{Services: map[string]pve.Service{
		"vm:100": {Node: "frege", State: "started"}, "ct:101": {Node: "russell", State: "started"}}}}
	want := "done; vm:100 was on russell and is on frege now: ha-manager migrate vm:100 russell takes it back"
	if d := decide(o, s); d.act != actDone || d.reason != want {
		t.Errorf("%+v", d)
	}
	s.quorate = false
	if d := decide(o, s); d.act != actWait || d.reason != "the cluster has no quorum" {
		t.Errorf("without a quorum nobody knows where guests are: %+v", d)
	}
	o.Homes = nil
	if d := decide(o, s); d.act != actDone || d.reason != "done" {
		t.Errorf("nothing was begun, and its end waits for a cluster that is ill: %+v", d)
	}
}
