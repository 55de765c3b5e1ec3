package ring

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"ringboot/rehearsal/guest"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
	"ringboot/rehearsal/realceph"
)

var maxLatency = regexp.MustCompile(`(?m)^Max latency\(s\):\s+([0-9.]+)`)

// Debian's own Ceph writes over the ring while a cable is pulled, and while one
// dies silently: every write arrives, no OSD is called down, and the slowest of
// the writes is the figure, beside that of a run in which nothing happens.
func TestCephWritesWhileACableIsPulled(t *testing.T) {
	need.Tools(t, append([]string{"nft:nftables"}, guest.Tools...)...)
	need.File(t, guest.Driver, guest.DriverPackage)
	r := newRing(t).rested().cables().start().awaitWhole()
	ctx, cancel := context.WithTimeout(t.Context(), qemu.TCG.Patience(5*time.Minute))
	defer cancel()
	c, machines := r.ceph(ctx)
	before := r.osdsUp(ctx, c)
	f, to := r.nodes[0], r.nodes[1]
	worst := map[string]float64{}
	for _, row := range []struct {
		name      string
		cut, mend func()
	}{
		{"undisturbed", func() {}, func() {}},
		{"pulled", func() { to.down("en06") }, func() { to.up("en06") }},
		{"silent", func() { f.drop("en05"); to.drop("en06") }, func() { f.undrop(); to.undrop() }},
	} {
		written := make(chan realceph.Result, 1)
		go func() {
			res, err := c.Exec(ctx, machines[0], []string{"rados", "bench", "-p", "vm", "12", "write", "-b", "4096", "-t", "4", "--no-cleanup", "--run-name", row.name}, nil)
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			written <- res
		}()
		time.Sleep(4 * time.Second) // writes are on their way
		row.cut()
		res := <-written
		m := maxLatency.FindSubmatch(res.Stdout)
		if m == nil || res.Code != 0 {
			t.Fatalf("%s: code %d\n%s%s", row.name, res.Code, res.Stdout, res.Stderr)
		}
		s, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		worst[row.name] = s * 1000
		row.mend()
		r.awaitWhole()
	}
	if after := r.osdsUp(ctx, c); after != before {
		t.Errorf("OSDs were called down while the ring had a detour: %s before, %s after", before, after)
	}
	r.guest(ctx, c, machines)
	if after := r.osdsUp(ctx, c); after != before {
		t.Errorf("OSDs were called down under the guest: %s before, %s after", before, after)
	}
	need.Figure("ceph.real_write_worst_ms_undisturbed", worst["undisturbed"], "ms")
	need.Figure("ceph.real_write_worst_ms_pulled", worst["pulled"], "ms")
	need.Figure("ceph.real_write_worst_ms", worst["silent"], "ms")
}

// ceph starts a Ceph with a pool for images on the nodes.
func (r *testRing) ceph(ctx context.Context) (*realceph.Cluster, []realceph.Place) {
	r.t.Helper()
	var machines []realceph.Place
	for _, n := range r.nodes {
		ns := fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), int(n.ns))
		machines = append(machines, realceph.Place{Name: n.name, Addr: n.addr, Under: []string{"nsenter", ns, "--"}})
	}
	c, err := realceph.Start(ctx, r.t.TempDir(), machines)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	if err := c.Pool(ctx, "vm"); err != nil {
		r.t.Fatal(err)
	}
	return c, machines
}

// guest is a guest with its disk on this Ceph: it moves alive, there and back, and
// goes on writing while a cable dies and while it moves by the detour. None of its
// writes is lost, and none is done twice.
func (r *testRing) guest(ctx context.Context, c *realceph.Cluster, machines []realceph.Place) {
	r.t.Helper()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	f, to := r.nodes[0], r.nodes[1]
	g, err := guest.New(ctx, c, r.t.TempDir(), "vm", "vm-100-disk-0")
	must(err)
	must(g.Start(ctx, machines[0]))
	defer g.Cut()
	downtime, gap := 0.0, time.Duration(0)
	for _, act := range []struct {
		before func()
		to     int
		after  func()
	}{
		{nil, 1, nil},
		{nil, 0, nil},
		{func() { f.drop("en05"); to.drop("en06") }, 1, func() { f.undrop(); to.undrop() }},
		{func() { to.down("en06") }, 2, func() { to.up("en06") }},
	} {
		must(g.Await(ctx, 40))
		if act.before != nil {
			cut := time.Now()
			act.before()
			must(g.Await(ctx, 40))
			gap = max(gap, g.Silence(cut))
		}
		moved, err := g.Move(ctx, machines[act.to])
		must(err)
		r.t.Logf("the guest moved to %s: it stood still for %.0f ms of %.0f", machines[act.to].Name, moved.Downtime, moved.Took)
		downtime = max(downtime, moved.Downtime)
		must(g.Await(ctx, 40))
		if act.after != nil {
			act.after()
			r.awaitWhole()
		}
	}
	n, err := g.Written(ctx)
	must(err)
	need.Figure("guest.migration_downtime_ms", downtime, "ms")
	need.Figure("guest.write_gap_ms", float64(gap.Milliseconds()), "ms")
	need.Figure("guest.writes", n, "count")
}

// osdsUp is since when each OSD is up, as the monitors have it.
func (r *testRing) osdsUp(ctx context.Context, c *realceph.Cluster) string {
	r.t.Helper()
	out, err := c.Ceph(ctx, "osd", "dump")
	if err != nil {
		r.t.Fatal(err)
	}
	up := ""
	for _, m := range upFrom.FindAllString(out, -1) {
		up += m + "; "
	}
	return up
}

var upFrom = regexp.MustCompile(`osd\.[0-9]+ up .*up_from [0-9]+`)
