package matrix_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/replacedisk"
	"ringboot/profiles"
	exit "ringboot/profiles/fault"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/trial"
)

// swapping is a finished cluster in which the disk of one node has died.
type swapping struct {
	*cutting
	serial string // of the disk that died last
	osd    int
	turn   int  // how many disks were replaced before
	told   bool // when the power went, Ceph had just called the dead one safe to destroy
	notes  int  // of OSDs that were removed while copies were missing, before
	asked  bool
	err    error
}

func newSwapping(t testing.TB, node string, alter ...func(p *profiles.Profile)) *swapping {
	p := storageProfile()
	p.Acceptance = profiles.Acceptance{Seconds: 10}
	for _, do := range alter {
		do(p)
	}
	b := newBench(t, 1, p)
	for _, n := range p.Nodes {
		for _, d := range n.BesideDisks() {
			ceph.SetDisks(b.w.Node(n.Name).Machine(), append(trial.Disks(n.Name), ceph.BlockDevice{Name: "nvme3n1", Serial: d.Serial, Model: "Fast", Bytes: 200e9, Type: "nvme", OSD: -1})...)
		}
	}
	s := &swapping{cutting: newCutting(t, b, node, func(*bench) {}), serial: "OSD-" + node}
	s.goesOn = func() { s.w.Sim().After(time.Minute, s.command) } // its owner types it again
	s.heard = func() {
		if o, err := replacedisk.ReadOrder(s.w.Node(s.at).Files()); err == nil && o != nil {
			s.told = o.Gone
		}
	}
	return s
}

// die takes the disk's life: its daemon is down, and another disk is in its place.
func (s *swapping) die(t *testing.T) {
	t.Helper()
	m := s.w.Node(s.at).Machine()
	disks := ceph.Disks(m)
	at := slices.IndexFunc(disks, func(d ceph.BlockDevice) bool { return d.OSD >= 0 })
	s.osd, s.serial = disks[at].OSD, disks[at].Serial
	_ = m.Unit("stop", fmt.Sprintf("ceph-osd@%d", s.osd))
	_ = m.Unit("disable", fmt.Sprintf("ceph-osd@%d", s.osd))
	disks[at] = ceph.BlockDevice{Name: disks[at].Name, Serial: s.fresh(), Model: "Samsung SSD 990 PRO 2TB", Bytes: 2000398934016, Type: "nvme", OSD: -1}
	ceph.SetDisks(m, disks...)
	_ = s.w.Node(s.at).Files().Sync()
	s.base, s.cut, s.told, s.asked, s.err = s.agents[s.at].points, false, false, false, nil
	s.notes = len(s.w.Notes("purged-unclean"))
}

// fresh is the serial of the next new disk.
func (s *swapping) fresh() string { return fmt.Sprintf("NEW-%s-%d", s.at, s.turn) }

// command is firstboot replace-disk on the node, typed again after a power cut.
func (s *swapping) command() {
	s.process("replace-disk", func(ctx context.Context, a *simAgent, h host.Host) {
		r := replacedisk.New(replacedisk.Options{Host: h, Node: s.planOf(s.at), Ceph: s.p.Ceph, Log: func(text string) { s.logf("replace-disk: %s", text) }})
		o, err := r.Begin(ctx, s.osd, s.fresh())
		if err == nil {
			if err = o.Write(h.Files); err == nil {
				err = r.Run(ctx, o)
			}
		}
		s.logf("the process ends: %v", err)
		if a.alive {
			s.err, s.asked = err, true
		}
	})
}

// end runs to the end of the replacement, and says what is not as it must be.
func (s *swapping) end() error {
	var o *replacedisk.Order
	ended := s.runUntil(8*time.Hour, func() bool {
		o, _ = replacedisk.ReadOrder(s.w.Node(s.at).Files())
		return s.asked && s.err != nil || s.asked && o != nil && (o.Stopped != "" || !o.Ended.IsZero())
	})
	if s.cut {
		s.runUntil(10*time.Minute, func() bool { return false })
	}
	switch {
	case !ended:
		return fmt.Errorf("no end")
	case s.err != nil:
		return s.err
	case o.Stopped != "":
		return fmt.Errorf("stopped: %s", o.Stopped)
	case o.OSD != s.osd || o.Serial != s.fresh() || o.Old != "Samsung_SSD_990_PRO_2TB_"+s.serial || o.New == nil:
		return fmt.Errorf("the order is %+v", o)
	case len(s.w.Notes("purged-unclean")) > s.notes && !s.told: // between its word and the removal nobody can look
		return fmt.Errorf("removed while copies were missing: %v", s.w.Notes("purged-unclean"))
	case len(s.w.Notes("erased")) > 0:
		return fmt.Errorf("erased: %v", s.w.Notes("erased"))
	}
	if why := ceph.Unhealthy(s.w.Node(s.at).Machine(), 3); why != "" {
		return fmt.Errorf("storage: %s", why)
	}
	for _, d := range ceph.Disks(s.w.Node(s.at).Machine()) {
		if d.Serial == s.fresh() && d.OSD != *o.New || d.Serial != s.fresh() && d.OSD >= 0 {
			return fmt.Errorf("the disk %s carries osd.%d, the order says osd.%d on %s", d.Serial, d.OSD, *o.New, o.Serial)
		}
	}
	return s.whole()
}

// TestADeadDiskIsReplaced takes dead disks out and new ones in, also with the
// power of a node cut at points of the process.
func TestADeadDiskIsReplaced(t *testing.T) {
	s := newSwapping(t, "wittgenstein")
	defer s.close()
	began := s.now()
	s.die(t)
	s.command()
	if err := s.end(); err != nil {
		t.Fatalf("%v\n%s", err, s.tail(60))
	}
	need.Figure("replace_disk.s", int(s.now().Sub(began).Seconds()), "s")
	points := s.agents[s.at].points - s.base
	names := s.w.Names()
	var all []run
	for at := 1; at <= points; at++ {
		for i, victim := range names {
			all = append(all, run{1, []crash{{victim, at, crashModes[(at+i)%len(crashModes)]}}})
		}
	}
	s.through(t, "replace_disk", all, budget(16, 16, len(all)), func() { s.turn++; s.die(t); s.command() }, s.end)
}

// A disk dies whose OSD had its database on another one: the new OSD gets one there
// as well, what the dead one has there is named and stays, and where it takes the
// room of a third, nothing is begun.
func TestADiskWithItsDatabaseElsewhereIsReplaced(t *testing.T) {
	s := newSwapping(t, "wittgenstein", func(p *profiles.Profile) {
		p.Ceph.DBSize = 60
		for i := range p.Nodes {
			p.Nodes[i].DBDisk = profiles.DiskName{Serial: "DB-" + p.Nodes[i].Name}
		}
	})
	defer s.close()
	for ; s.turn < 2; s.turn++ {
		s.die(t)
		s.command()
		if err := s.end(); err != nil {
			t.Fatalf("%v\n%s", err, s.tail(60))
		}
		disks := ceph.Disks(s.w.Node(s.at).Machine())
		fast := disks[len(disks)-1]
		at := slices.IndexFunc(disks, func(d ceph.BlockDevice) bool { return d.Serial == s.fresh() })
		if len(disks[at].Beside) != 1 || disks[at].Beside[0] != fast.Volumes[s.turn+1].Name || len(fast.Volumes) != s.turn+2 {
			t.Errorf("the new OSD is %+v, and the databases are %+v", disks[at], fast.Volumes)
		}
		if want := fmt.Sprintf("ceph-volume lvm zap --destroy /dev/%s/%s frees", fast.Group, fast.Volumes[s.turn].Name); !strings.Contains(s.tail(20), want) {
			t.Errorf("nothing says %q:\n%s", want, s.tail(20))
		}
	}
	s.die(t)
	s.command()
	if err := s.end(); exit.Of(err) != exit.Refused || !strings.Contains(fmt.Sprint(err), "GiB free, and the databases of its new OSDs want 60") || !strings.Contains(fmt.Sprint(err), "whose own disk is gone") {
		t.Errorf("%v", err)
	}
}

func (s *sim) planOf(node string) profiles.Node { n, _ := s.p.Node(node); return n }

// TestADiskThatIsNotMeantIsRefused asks for what must not be begun.
func TestADiskThatIsNotMeantIsRefused(t *testing.T) {
	s := newSwapping(t, "wittgenstein")
	defer s.close()
	h, _ := s.agents[s.at].host(s.agents[s.at].life)
	s.agents[s.at].alive = true
	ask := func(node string, osd int, serial string) error {
		var err error
		done := false
		r := replacedisk.New(replacedisk.Options{Host: h, Node: s.planOf(node), Ceph: s.p.Ceph, Log: func(string) {}})
		s.w.Sim().Go("ask", func() { _, err = r.Plan(context.Background(), osd, serial); done = true })
		s.runUntil(time.Hour, func() bool { return done })
		return err
	}
	is := func(err error, kind exit.Kind, want string) {
		t.Helper()
		if err == nil || exit.Of(err) != kind || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	before := s.agents[s.at].points
	own := slices.IndexFunc(ceph.Disks(s.w.Node(s.at).Machine()), func(d ceph.BlockDevice) bool { return d.OSD >= 0 })
	alive := ceph.Disks(s.w.Node(s.at).Machine())[own].OSD
	is(ask(s.at, alive, "NEW"), exit.Refused, fmt.Sprintf("osd.%d runs, so its disk is not dead", alive))
	s.die(t)
	is(ask(s.at, 17, s.fresh()), exit.Usage, fmt.Sprintf("osd.17 is no OSD of this cluster; those of wittgenstein: osd.%d", s.osd))
	is(ask(s.at, s.osd, "NOWHERE"), exit.Precondition, "wittgenstein has no disk with the serial NOWHERE: put it in, or name one of nvme0n1 ROOT-wittgenstein (mounted), nvme1n1 NEW-wittgenstein-0 (blank)")
	is(ask(s.at, s.osd, "OTHER-wittgenstein"), exit.Refused, "the disk OTHER-wittgenstein (nvme2n1) is not blank, it holds ext4: nothing is erased")
	is(ask(s.at, s.osd, "ROOT-wittgenstein"), exit.Refused, "is not blank, it holds mounted")
	is(ask("russell", s.osd, s.fresh()), exit.Refused, fmt.Sprintf("osd.%d is on wittgenstein and this is russell: type it there", s.osd))
	m := s.w.Node("russell").Machine()
	disks := ceph.Disks(m)
	other := disks[slices.IndexFunc(disks, func(d ceph.BlockDevice) bool { return d.OSD >= 0 })].OSD
	_ = m.Unit("stop", fmt.Sprintf("ceph-osd@%d", other))
	is(ask(s.at, s.osd, s.fresh()), exit.Refused, fmt.Sprintf("osd.%d of russell is down as well", other))
	_ = m.Unit("start", fmt.Sprintf("ceph-osd@%d", other))
	if err := ask(s.at, s.osd, s.fresh()); err != nil {
		t.Errorf("what may be begun is refused: %v", err)
	}
	if s.agents[s.at].points != before {
		t.Error("asking changed something")
	}
}
