package lab

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringboot/profiles"
	"ringboot/rehearsal/guest"
	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
	"ringboot/rehearsal/realceph"
	"ringboot/rehearsal/sim"
)

// Guests are the guests of a lab: processes of QEMU in the networks of the
// systems, with their disks on Debian's Ceph, whose daemons are beside them on the
// ring. What the product forms and asks is the stand-in of Ceph all the same; what
// it puts on an image and reads from one goes through the real one.
type Guests struct {
	l *Lab

	mu    sync.Mutex                        // one thing at a time
	ceph  func() (*realceph.Cluster, error) // starts it once
	begun bool
	by    map[string]*placed
	Moves []qemu.Moved // that were made
}

// placed is a guest and the node that it runs on, "" for none.
type placed struct {
	*guest.Guest
	on string
}

// NewWithGuests is New with real guests.
func NewWithGuests(t testing.TB, profile []byte, key string) *Lab {
	t.Helper()
	need.Tools(t, guest.Tools...)
	need.File(t, guest.Driver, guest.DriverPackage)
	l := prepare(t, profile)
	l.Guests = &Guests{l: l, by: map[string]*placed{}}
	l.Guests.ceph = sync.OnceValues(l.Guests.start)
	l.begin(l.Dir, key)
	t.Cleanup(l.Guests.close)
	return l
}

// real is what the world has of it.
func (g *Guests) real() machine.Real {
	if g == nil {
		return machine.Real{}
	}
	return machine.Real{
		Guests: func(node string) sim.Guests { return nodeGuests{g, node} },
		After:  map[string]sim.Tool{"rbd": g.rbd, "qm": g.qm, "pveceph": g.pveceph},
	}
}

func (g *Guests) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.by {
		p.cut()
	}
	if !g.begun {
		return
	}
	if c, _ := g.ceph(); c != nil {
		c.Close()
	}
}

func (p *placed) cut() {
	if p.on != "" {
		p.Cut()
		p.on = ""
	}
}

func (g *Guests) place(node string) realceph.Place {
	i := g.l.index(node)
	return realceph.Place{Name: node, Addr: g.l.Profile.Nodes[i].Ring, Port: 3333, Under: g.l.Systems[node].Network()}
}

// index is the place of a node in the profile.
func (l *Lab) index(node string) int {
	return slices.IndexFunc(l.Profile.Nodes, func(n profiles.Node) bool { return n.Name == node })
}

// pveceph lets the real Ceph start beside the first work at the stand-in, as the
// ring is whole then, and has a pool when the stand-in has one.
func (g *Guests) pveceph(c *sim.Call) int {
	g.mu.Lock()
	if !g.begun {
		g.begun = true
		go g.ceph()
	}
	g.mu.Unlock()
	if c.Argv[1] == "pool" {
		if _, err := g.ceph(); err != nil {
			c.Errf("%v\n", err)
			return 1
		}
	}
	return 0
}

func (g *Guests) start() (*realceph.Cluster, error) {
	var places []realceph.Place
	for _, n := range g.l.Profile.Nodes {
		places = append(places, g.place(n.Name))
	}
	began := time.Now()
	c, err := realceph.Start(g.l.Ctx, filepath.Join(g.l.Dir, "ceph"), places)
	if err == nil {
		err = c.Pool(g.l.Ctx, g.l.Profile.Ceph.Pool)
	}
	g.l.T.Logf("the real Ceph started in %s: %v", time.Since(began).Round(time.Second), err)
	return c, err
}

// rbd does for the real Ceph what the stand-in has done for its own.
func (g *Guests) rbd(c *sim.Call) int {
	words := slices.DeleteFunc(slices.Clone(c.Argv), func(w string) bool { return strings.HasPrefix(w, "--no-progress") })
	var stdin []byte
	file := ""
	switch words[1] {
	case "import": // --dest-pool POOL FILE IMAGE
		stdin, _ = c.ReadFile(words[4])
		words = []string{"rbd", "import", "-", words[3] + "/" + words[5]}
	case "export":
		words, file = []string{"rbd", "export", words[2], "-"}, words[3]
	case "rm":
	default:
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r, err := g.run(c.Name(), append(words, "--no-progress"), stdin)
	if err == nil && file != "" {
		err = c.WriteDirect(file, r.Stdout)
	}
	if err != nil {
		c.Errf("%v\n", err)
		return 1
	}
	return 0
}

func (g *Guests) run(node string, argv []string, stdin []byte) (realceph.Result, error) {
	real, err := g.ceph()
	if err != nil {
		return realceph.Result{}, err
	}
	r, err := real.Exec(g.l.Ctx, g.place(node), argv, stdin)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s: code %d: %s", strings.Join(argv, " "), r.Code, bytes.TrimSpace(r.Stderr))
	}
	return r, err
}

// qm looks at a guest that is destroyed, and removes its disk.
func (g *Guests) qm(c *sim.Call) int {
	if len(c.Argv) < 3 || c.Argv[1] != "destroy" {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.by[c.Argv[2]]; p != nil {
		g.written(c.Argv[2])
		for _, image := range p.Images() {
			if _, err := g.run(c.Name(), []string{"rbd", "rm", "--no-progress", image}, nil); err != nil {
				c.Errf("%v\n", err)
				return 1
			}
		}
		delete(g.by, c.Argv[2])
	}
	return 0
}

// written ends a guest, and fails the test where a write of it is not on its disk.
func (g *Guests) written(id string) {
	g.l.T.Helper()
	n, err := g.by[id].Written(g.l.Ctx)
	g.by[id].on = ""
	if err != nil || n == 0 {
		g.l.T.Errorf("guest %s wrote %d sectors: %v", id, n, err)
		return
	}
	g.l.T.Logf("guest %s wrote %d sectors, all of them on its disk", id, n)
}

// Written is that of a guest that is still there.
func (g *Guests) Written(id string) {
	g.l.T.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.written(id)
}

// Await waits until a guest has written so many sectors more where it runs.
func (g *Guests) Await(t testing.TB, id string, more int) {
	t.Helper()
	g.mu.Lock()
	p := g.by[id]
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(g.l.Ctx, 5*time.Minute)
	defer cancel()
	if err := p.Await(ctx, more); err != nil {
		t.Fatal(err)
	}
}

// PowerOff ends a system with its guests and its part of the real Ceph at once.
func (l *Lab) PowerOff(node string) {
	l.T.Helper()
	if g := l.Guests; g != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, p := range g.by {
			if p.on == node {
				p.cut()
			}
		}
		c, err := g.ceph()
		l.Must(err)
		for program, id := range map[string]string{"ceph-mon": node, "ceph-mgr": node, "ceph-osd": fmt.Sprint(l.index(node))} {
			l.Must(c.Stop(program, id))
		}
	}
	l.Systems[node].Stop()
}

// nodeGuests are the guests as a node has them.
type nodeGuests struct {
	*Guests
	node string
}

// Start is sim.Guests's, and may be called again.
func (g nodeGuests) Start(id, image string) (pid int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.by[id]
	if p == nil {
		c, err := g.ceph()
		if err != nil {
			return 0, err
		}
		more := strings.Fields(image)
		made, err := guest.New(g.l.Ctx, c, filepath.Join(g.l.Dir, "guests"), g.l.Profile.Ceph.Pool, fmt.Sprintf("vm-%s-%d", id, time.Now().Unix()), more...)
		if err != nil {
			return 0, err
		}
		p = &placed{Guest: made}
		g.by[id] = p
	}
	switch p.on {
	case g.node:
	case "":
		if err := p.Guest.Start(g.l.Ctx, g.place(g.node)); err != nil {
			return 0, err
		}
		p.on = g.node
	default:
		return 0, fmt.Errorf("guest %s runs on %s already", id, p.on)
	}
	return p.Process(), nil
}

// Move is sim.Guests's, and may be called again.
func (g nodeGuests) Move(id, to string) (pid int, downtime time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.by[id]
	if p == nil || p.on != to && p.on != g.node {
		return 0, 0, fmt.Errorf("guest %s does not run on %s", id, g.node)
	}
	if p.on == g.node {
		moved, err := p.Guest.Move(g.l.Ctx, g.place(to))
		if err != nil {
			return 0, 0, err
		}
		p.on = to
		g.Moves = append(g.Moves, moved)
		downtime = max(time.Millisecond, time.Duration(moved.Downtime)*time.Millisecond)
	}
	return p.Process(), downtime, nil
}

// End is sim.Guests's.
func (g nodeGuests) End(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.by[id]; p != nil && p.on == g.node {
		p.cut()
	}
}
