package ring

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"ringboot/rehearsal/need"
	"ringboot/rehearsal/realceph"
)

var maxLatency = regexp.MustCompile(`(?m)^Max latency\(s\):\s+([0-9.]+)`)

// Debian's own Ceph writes over the ring while a cable is pulled, and while one
// dies silently: every write arrives, no OSD is called down, and the slowest of
// the writes is the figure, beside that of a run in which nothing happens.
func TestCephWritesWhileACableIsPulled(t *testing.T) {
	need.Tools(t, append([]string{"nft:nftables"}, realceph.Tools...)...)
	r := newRing(t).rested().cables().start().awaitWhole()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var machines []realceph.Place
	for _, n := range r.nodes {
		machines = append(machines, realceph.Place{Name: n.name, Addr: n.addr, Start: func(cmd *exec.Cmd) error {
			var err error
			n.in(func() error { err = cmd.Start(); return nil })
			return err
		}})
	}
	c, err := realceph.Start(ctx, t.TempDir(), machines)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Pool(ctx, "vm"); err != nil {
		t.Fatal(err)
	}
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
	need.Figure("ceph.real_write_worst_ms_undisturbed", worst["undisturbed"], "ms")
	need.Figure("ceph.real_write_worst_ms_pulled", worst["pulled"], "ms")
	need.Figure("ceph.real_write_worst_ms", worst["silent"], "ms")
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
