package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ringboot/discovery"
	"ringboot/imagebuilder"
	"ringboot/profiles/fault"
)

// Drill is one thing that goes wrong on the way, and what must come of it.
type Drill struct {
	Name string
	Says string // one sentence for people
	run  func(d *drilling, ctx context.Context) error
}

// Drills are all that there are, in the order in which they are run.
func Drills() []Drill {
	cut := func(machines int) func(*drilling, context.Context) error {
		return func(d *drilling, ctx context.Context) error { return d.powerCut(ctx, machines) }
	}
	return []Drill{
		{"wrong-disks", "two sticks are swapped, and a third machine has another disk: nothing is erased", (*drilling).wrongDisks},
		{"seeded-faults", "a wrong key in the answers, a damaged package, an agent that does not start: each is named in one line", (*drilling).seededFaults},
		{"deaf-and-split", "multicast DNS and corosync's packets are lost: no cluster is claimed, the reason is named, and a trip without records is no good one", (*drilling).deafAndSplit},
		{"stick-left-in", "the stick stays in and is first in the boot order: the machine is installed once", (*drilling).stickLeftIn},
		{"one-stick", "one stick installs all machines, one after the other, and its menu says who is next", (*drilling).oneStick},
		{"cable-pulled", "a cable of the ring is pulled and put back: both ends say so", (*drilling).cablePulled},
		{"other-version", "one node has another version of Proxmox VE: no cluster is formed, and the reason is named", (*drilling).otherVersion},
		{"power-cut-one", "one machine loses power at a random moment: the trip still ends", cut(1)},
		{"power-cut-two", "two machines lose power at a random moment: the trip still ends", cut(2)},
		{"power-cut-all", "all machines lose power at a random moment: the trip still ends", cut(math.MaxInt)},
	}
}

// DrillOptions say how drills are run.
type DrillOptions struct {
	Options                    // Dir is where each drill gets a directory of its own
	Until   string             // step that ends a trip
	Seed    uint64             // of everything random
	Patient time.Duration      // how long a whole trip may take
	Other   *imagebuilder.Base // stock ISO of another version; without it that drill cannot be run
	// Done sees every table when everything is switched off; may be nil.
	Done  func(r *Rehearsal, problem error)
	Table func(r *Rehearsal) // sees every table when it is laid; may be nil
}

// Outcome is how a drill went.
type Outcome struct {
	Name    string  `json:"name"`
	Says    string  `json:"says"`
	Seconds float64 `json:"seconds"`
	Problem string  `json:"problem,omitempty"`
	Err     error   `json:"-"`
	// Wrote counts bytes written to disks that nothing should have been written to.
	Wrote int64 `json:"wrong_disk_bytes"`
	// Faults counts faults that were put in, and Caught those that were named.
	Faults int `json:"faults,omitempty"`
	Caught int `json:"faults_caught,omitempty"`
}

// ErrNoDrill says that there is no drill of that name.
var ErrNoDrill = fault.Usage.New("no such drill")

// RunDrill runs one drill from power-on to its end.
func RunDrill(ctx context.Context, name string, o DrillOptions) (Outcome, error) {
	at := slices.IndexFunc(Drills(), func(d Drill) bool { return d.Name == name })
	if at < 0 {
		var names []string
		for _, d := range Drills() {
			names = append(names, d.Name)
		}
		return Outcome{}, fmt.Errorf("%w: %q; there are %s", ErrNoDrill, name, strings.Join(names, ", "))
	}
	chosen := Drills()[at]
	start := time.Now()
	d := &drilling{o: o, name: name, random: chance(o.Seed, name)}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Patient, fmt.Errorf("the drill had %s", o.Patient))
	defer cancel()
	err := chosen.run(d, ctx)
	if d.laid != nil {
		d.laid.Close()
		if o.Done != nil {
			o.Done(d.laid, err)
		}
	}
	out := Outcome{Name: name, Says: chosen.Says, Seconds: time.Since(start).Seconds(), Err: err, Wrote: d.wrote, Faults: d.faults, Caught: d.caught}
	if err != nil {
		out.Problem = err.Error()
	}
	return out, nil
}

// chance is all that is random in a drill: the same seed plays the same drill,
// whichever others come to stand beside it.
func chance(seed uint64, drill string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(drill)) //nolint:errcheck // it never returns an error
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// drilling is one drill at work.
type drilling struct {
	o      DrillOptions
	name   string
	random *rand.Rand
	wrote  int64
	faults int
	caught int
	laid   *Rehearsal
}

// expect counts a fault that was put in, and whether what was said names it.
func (d *drilling) expect(said, want, who string) error {
	d.faults++
	if !strings.Contains(said, want) {
		return fmt.Errorf("%s said %q, not %q", who, said, want)
	}
	d.caught++
	return nil
}

// table lays the machines out for this drill.
func (d *drilling) table(ctx context.Context, change func(*Options)) (*Rehearsal, error) {
	o := d.o.Options
	o.Dir = filepath.Join(o.Dir, d.name)
	if change != nil {
		change(&o)
	}
	r, err := New(ctx, o)
	if err != nil {
		return nil, err
	}
	if d.o.Table != nil {
		d.o.Table(r)
	}
	d.laid = r
	return r, nil
}

// on is a table whose machines are switched on.
func (d *drilling) on(ctx context.Context, change func(*Options)) (*Rehearsal, error) {
	r, err := d.table(ctx, change)
	if err == nil {
		err = r.PowerOnAll(ctx)
	}
	return r, err
}

// wrongDisks swaps the sticks of two machines and gives a third one another
// disk. All three must refuse, and no byte of any disk may change.
func (d *drilling) wrongDisks(ctx context.Context) error {
	r, err := d.table(ctx, func(o *Options) {
		plan, err := Adapt(o.Profile, o.Base.Practice)
		if err == nil {
			o.Serials = map[string]string{plan.Machines[2].Disks[0].Serial: "RBSOMETHINGELSE"}
		}
	})
	if err != nil {
		return err
	}
	nodes := r.Nodes()
	for _, n := range nodes {
		if err := r.MarkDisks(n); err != nil {
			return err
		}
	}
	r.PutStick(nodes[0], nodes[1])
	r.PutStick(nodes[1], nodes[0])
	if err := r.PowerOnAll(ctx); err != nil {
		return err
	}
	err = r.WaitFailures(ctx, nodes...)
	for _, n := range nodes {
		r.Cut(n)
		wrote, countErr := r.BytesChanged(n, true, true)
		d.wrote += wrote
		err = errors.Join(err, countErr)
	}
	if err != nil {
		return err
	}
	if d.wrote > 0 {
		return fmt.Errorf("%d bytes were written to disks that no image was made for", d.wrote)
	}
	named := namedWrong(nodes)
	for n, line := range r.Failures() {
		if !strings.Contains(line, named[n]) {
			return fmt.Errorf("%s refused for another reason: %s", n, line)
		}
	}
	return nil
}

// namedWrong is how preflight begins to refuse the machines of wrongDisks.
func namedWrong(nodes []string) map[string]string {
	const swapped = "this is the machine of "
	return map[string]string{nodes[0]: swapped + nodes[0], nodes[1]: swapped + nodes[1], nodes[2]: "no disk of this machine is serial "}
}

// stickLeftIn installs one machine whose firmware prefers the stick, and
// switches it off and on again. It must be installed once and no more.
func (d *drilling) stickLeftIn(ctx context.Context) error {
	r, err := d.table(ctx, func(o *Options) { o.StickFirst = true })
	if err != nil {
		return err
	}
	node := r.Nodes()[0]
	speaks := func([]View) bool { return r.view(node).Step > 0 && r.view(node).Stage != StageOff }
	if err := r.PowerOn(ctx, node); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the installation", speaks); err != nil {
		return err
	}
	starts := r.view(node).Starts
	r.Cut(node)
	if err := r.PowerOn(ctx, node); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the second start", func([]View) bool {
		return r.view(node).Installs > 1 || r.view(node).Starts > starts
	}); err != nil {
		return err
	}
	if n := r.view(node).Installs; n != 1 {
		return fmt.Errorf("%s was installed %d times with its stick left in", node, n)
	}
	return nil
}

// cablePulled pulls a cable once the ring is there. Both ends must say in
// their records that the port is down, and that it is up when the cable is back.
func (d *drilling) cablePulled(ctx context.Context) error {
	r, err := d.on(ctx, nil)
	if err != nil {
		return err
	}
	cable := d.o.Profile.Cables()[0]
	a, b := cable[0].Name, cable[1].Name
	joined := func(node, peer string) bool {
		v := r.view(node)
		return v.Record != nil && slices.ContainsFunc(v.Record.Neighbours, func(n discovery.Neighbour) bool {
			return (n.Node == peer || n.Node == "") && n.State == "up"
		})
	}
	up := func([]View) bool { return joined(a, b) && joined(b, a) }
	down := func([]View) bool { return !joined(a, b) && !joined(b, a) }
	if err := r.Wait(ctx, "the trip to the ring", func(all []View) bool { return AllPast("ring")(all) && up(all) }); err != nil {
		return err
	}
	if err := r.PullCable(ctx, a, b, false); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the loss of the cable", down); err != nil {
		return err
	}
	if err := r.PullCable(ctx, a, b, true); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the return of the cable", up); err != nil {
		return err
	}
	return r.Wait(ctx, "the rest of the trip", AllPast(d.o.Until))
}

// otherVersion gives the last node another version. No node may pass the gate,
// and the founder must name the reason.
func (d *drilling) otherVersion(ctx context.Context) error {
	if d.o.Other == nil {
		return errors.New("this drill needs a stock ISO of another version")
	}
	r, err := d.on(ctx, func(o *Options) {
		o.Bases = map[string]*imagebuilder.Base{o.Profile.Nodes[len(o.Profile.Nodes)-1].Name: d.o.Other}
	})
	if err != nil {
		return err
	}
	founder := r.Nodes()[0]
	err = r.Wait(ctx, "the reason why no cluster is formed", func(all []View) bool {
		v := r.view(founder)
		return v.Past("peers") || v.Stage == "peers" && strings.Contains(v.Waiting, "pve-manager")
	})
	if err != nil {
		return err
	}
	for _, v := range r.Views() {
		if v.Past("peers") {
			return fmt.Errorf("%s passed the gate although the versions differ", v.Node)
		}
	}
	return nil
}

// cutPause is the longest time between the beginning of a stage and the cut.
const cutPause = 4 * time.Second

// powerCut takes the power of some machines away at a random moment of the
// trip and gives it back. The trip must end all the same.
func (d *drilling) powerCut(ctx context.Context, machines int) error {
	r, err := d.on(ctx, nil)
	if err != nil {
		return err
	}
	nodes := r.Nodes()
	d.random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	victims := nodes[:min(machines, len(nodes))]
	all := stages()
	last := slices.Index(all, d.o.Until)
	stage := all[1+d.random.IntN(max(1, last))]
	began := func([]View) bool {
		v := r.view(victims[0])
		return v.Stage == stageFormed || slices.Index(all, v.Stage) >= slices.Index(all, stage)
	}
	if err := r.Wait(ctx, "the way to "+stage, began); err != nil {
		return err
	}
	pause := d.o.Accel.Patience(time.Duration(d.random.Int64N(int64(cutPause))))
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := r.CutAndReturn(ctx, victims, d.o.Until); err != nil {
		return fmt.Errorf("%s into %s: %w", pause.Round(time.Second), stage, err)
	}
	for _, n := range r.Nodes() {
		wrote, err := r.BytesChanged(n, false, false)
		if err != nil {
			return err
		}
		// Ceph takes the other disks after the proof; before it nobody may.
		if slices.Index(all, d.o.Until) < slices.Index(all, "ceph") {
			d.wrote += wrote
		}
	}
	if d.wrote > 0 {
		return fmt.Errorf("%d bytes were written to disks that are not the system's", d.wrote)
	}
	return nil
}
