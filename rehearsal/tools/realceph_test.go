package tools

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/realceph"
	"ringboot/rehearsal/sim"
)

// asked is one Ceph: Debian's, or the stand-in.
type asked struct {
	name     string
	commands host.Commands
	ceph     pve.Ceph
}

func (a asked) run(t *testing.T, argv ...string) host.Result {
	t.Helper()
	r, err := a.commands.Run(t.Context(), host.Cmd{Argv: argv, Timeout: time.Minute})
	if err != nil {
		t.Fatalf("%s: %v: %v", a.name, argv, err)
	}
	return r
}

// simCommands runs programs on one node of the simulated world.
type simCommands struct {
	w    *sim.World
	node string
}

func (s simCommands) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	r, err := s.w.Exec(ctx, s.node, cmd.Argv, cmd.Stdin, cmd.Env, cmd.Timeout)
	return host.Result{Stdout: r.Stdout, Stderr: r.Stderr, Code: r.Code}, err
}

// realCommands runs programs on one machine of Debian's Ceph.
type realCommands struct {
	c *realceph.Cluster
	m realceph.Place
}

func (s realCommands) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	r, err := s.c.Exec(ctx, s.m, cmd.Argv, cmd.Stdin)
	return host.Result{Stdout: r.Stdout, Stderr: r.Stderr, Code: r.Code}, err
}

func newAsked(name string, c host.Commands) asked {
	return asked{name, c, pve.Ceph{Shell: pve.Shell{Host: host.Host{Commands: c}, Node: "frege"}}}
}

// The stand-in of Ceph is asked the same as the Ceph that Debian ships, on both
// the same is done, and the product understands the same.
func TestTheStandInAnswersAsCephDoes(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, realceph.Tools...)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var machines []realceph.Place
	for i, name := range []string{"frege", "russell", "wittgenstein"} {
		machines = append(machines, realceph.Place{Name: name, Addr: netip.AddrFrom4([4]byte{127, 10, 0, byte(11 + i)})})
	}
	c, err := realceph.Start(ctx, t.TempDir(), machines)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := stored(t, 5)
	real, standIn := newAsked("Ceph", realCommands{c, machines[0]}), newAsked("the stand-in", simCommands{w, "frege"})
	if err := c.Pool(ctx, "vm"); err != nil {
		t.Fatal(err)
	}
	compare := &comparison{t: t, c: c, real: real, standIn: standIn}
	compare.product(ctx, "healthy")
	compare.questions("healthy")
	for _, line := range []string{"osd out 9", "osd metadata 9", "osd set noout", "osd out 2", "osd out 2"} {
		compare.ask(line)
	}
	compare.product(ctx, "noout, and one out")
	compare.targets(ctx)
	for _, line := range []string{"osd safe-to-destroy 0", "osd safe-to-destroy 2", "osd purge 1 --yes-i-really-mean-it", "fs new fs fs_metadata fs_data", "osd in 2", "osd in 2", "osd unset noout"} {
		compare.ask(line)
	}
	if err := c.Stop("ceph-osd", "2"); err != nil {
		t.Fatal(err)
	}
	must(t, w, "wittgenstein", "systemctl stop ceph-osd@2.service")
	compare.product(ctx, "one OSD down")
	compare.ask("osd safe-to-destroy 2")
	need.Figure("ceph.standin_questions", compare.asked, "count")
	need.Figure("ceph.standin_wrong", compare.wrong, "count")
}

// comparison asks both.
type comparison struct {
	t             *testing.T
	c             *realceph.Cluster
	real, standIn asked
	asked, wrong  int
}

func (c *comparison) failf(format string, args ...any) {
	c.t.Helper()
	c.wrong++
	c.t.Errorf(format, args...)
}

// product asks what the product asks, and compares what it makes of the answers.
func (c *comparison) product(ctx context.Context, state string) {
	c.t.Helper()
	for name, ask := range map[string]func(pve.Ceph) (any, error){
		"health": func(p pve.Ceph) (any, error) {
			h, err := p.Health(ctx)
			noout := h.NoOut()
			h.FSID = ""
			for i := range h.Checks {
				h.Checks[i].Message = "" // counts of what they hold
			}
			h.PGs, h.Clean = min(h.PGs, 1), min(h.Clean, 1) // pools of their own differ
			return fmt.Sprint(h, noout), err
		},
		"managers": func(p pve.Ceph) (any, error) {
			m, err := p.Managers(ctx)
			all := append(m.Standby, m.Active) // which of them leads is chance
			slices.Sort(all)
			return fmt.Sprint(m.Available, all), err
		},
		"tree": func(p pve.Ceph) (any, error) {
			tree, err := p.Tree(ctx)
			for i := range tree {
				tree[i].Weight, tree[i].Class = 0, "" // of the disk
			}
			return tree, err
		},
		"pools": func(p pve.Ceph) (any, error) {
			pools, err := p.Pools(ctx)
			pools = slices.DeleteFunc(pools, func(s pve.PoolState) bool { return s.Name != "vm" })
			return pools, err
		},
		"file systems": func(p pve.Ceph) (any, error) { return p.FileSystems(ctx) },
		"capacity": func(p pve.Ceph) (any, error) {
			got, err := p.Capacity(ctx)
			return fmt.Sprint(got.Raw > 0, got.Used > 0, got.Usable["vm"] > 0, got.Usable["vm"] < got.Raw), err
		},
		"crashes": func(p pve.Ceph) (any, error) { return nil, p.ArchiveCrashes(ctx, "frege", time.Unix(0, 0)) },
		"device":  func(p pve.Ceph) (any, error) { _, err := p.DeviceID(ctx, 0); return nil, err },
	} {
		c.asked++
		want, err := ask(c.standIn.ceph)
		if err != nil {
			c.failf("%s, %s: the stand-in: %v", state, name, err)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, 3*time.Minute) // some warnings come after a minute
		if err := c.c.Await(limited, "the same answer", func(context.Context) (bool, error) {
			got, err := ask(c.real.ceph)
			if err == nil && !reflect.DeepEqual(got, want) {
				err = fmt.Errorf("%+v", got)
			}
			return err == nil, err
		}); err != nil {
			c.failf("%s, %s:\nCeph         %v\nthe stand-in %+v", state, name, err, want)
		}
		cancel()
	}
}

// targets sets what the OSDs of a machine aim at, and what a pool is to fill, and
// reads it back.
func (c *comparison) targets(ctx context.Context) {
	c.t.Helper()
	const bytes = 6 << 30
	for _, a := range []asked{c.real, c.standIn} {
		c.asked++
		before, err := a.ceph.OSDMemory(ctx)
		if err == nil {
			err = a.ceph.SetOSDMemory(ctx, bytes)
		}
		after, e := a.ceph.OSDMemory(ctx)
		if err != nil || e != nil || before != 0 || after != bytes {
			c.failf("%s: the OSDs of frege aim at %d, then at %d: %v %v", a.name, before, after, err, e)
		}
	}
	c.questionsOf("memory set", []string{"config", "dump"})
	c.real.run(c.t, "ceph", "--connect-timeout", "10", "osd", "pool", "set", "vm", "target_size_ratio", "0.8")
	pools, err := c.real.ceph.Pools(ctx)
	if at := slices.IndexFunc(pools, func(p pve.PoolState) bool { return p.Name == "vm" }); err != nil || at < 0 || !pools[at].Sound(0.8) || pools[at].Sound(0.7) {
		c.failf("the pool's share is not read back: %+v %v", pools, err)
	}
	c.real.run(c.t, "ceph", "--connect-timeout", "10", "osd", "pool", "set", "vm", "target_size_ratio", "0")
}

// questions compares the answers themselves: what both say is of the same type
// in the same place. The stand-in has keys of releases that Debian's Ceph is too
// old for; what the product reads of them, product asks for.
func (c *comparison) questions(state string) {
	c.t.Helper()
	c.questionsOf(state, []string{"-s"}, []string{"mgr", "dump"}, []string{"osd", "tree"}, []string{"osd", "pool", "ls", "detail"}, []string{"fs", "ls"}, []string{"df"}, []string{"crash", "ls-new"}, []string{"osd", "metadata", "0"}, []string{"health", "detail"})
}

func (c *comparison) questionsOf(state string, questions ...[]string) {
	c.t.Helper()
	for _, words := range questions {
		c.asked++
		shapes := map[string]map[string]string{}
		for _, a := range []asked{c.real, c.standIn} {
			r := a.run(c.t, append(append([]string{"ceph", "--connect-timeout", "10"}, words...), "-f", "json")...)
			var v any
			text := noNumber.ReplaceAll(r.Stdout, []byte(":0")) // which Ceph prints, and JSON has not
			if err := json.Unmarshal(text, &v); err != nil || r.Code != 0 {
				c.failf("%s: %s: %v: code %d, %v\n%s%s", state, a.name, words, r.Code, err, r.Stdout, r.Stderr)
				continue
			}
			shape := map[string]string{}
			describe("", v, shape)
			shapes[a.name] = shape
		}
		for path, kind := range shapes[c.standIn.name] {
			if got := shapes[c.real.name][path]; got != "" && got != kind {
				c.failf("%s: ceph %v: %s is %q in the stand-in and %q in Ceph", state, words, path, kind, got)
			}
		}
	}
}

// ask compares the outcome of a command: whether it succeeds, and what it says.
func (c *comparison) ask(line string) {
	c.t.Helper()
	c.asked++
	argv := append([]string{"ceph", "--connect-timeout", "10"}, strings.Fields(line)...)
	standIn := c.standIn.run(c.t, argv...)
	same := func(context.Context) (bool, error) {
		real := c.real.run(c.t, argv...)
		if (real.Code == 0) != (standIn.Code == 0) || said(real) != said(standIn) {
			return false, fmt.Errorf("ceph %s:\nCeph         %d %s\nthe stand-in %d %s", line, real.Code, said(real), standIn.Code, said(standIn))
		}
		return true, nil
	}
	if !strings.HasPrefix(line, "osd safe-to-destroy") {
		if _, err := same(c.t.Context()); err != nil {
			c.failf("%v", err)
		}
		return
	}
	// This is asked and nothing is done: while groups move, Ceph says one thing and
	// then another.
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := c.c.Await(ctx, "the same answer", same); err != nil {
		c.failf("%v", err)
	}
}

var (
	numbers  = regexp.MustCompile(`[0-9]+`)
	noNumber = regexp.MustCompile(`:-?(inf|nan)\b`)
)

// said is what a command says to people, without its numbers.
func said(r host.Result) string {
	return numbers.ReplaceAllString(strings.TrimSpace(string(r.Stderr)), "N")
}

// free are objects whose keys are names of things.
var free = map[string]bool{"checks": true, "application_metadata": true}

// describe lists the paths of a value and their types.
func describe(path string, v any, into map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		into[path] = "object"
		for k, e := range x {
			if last := path[strings.LastIndex(path, ".")+1:]; free[last] {
				k = "*"
			}
			describe(path+"."+k, e, into)
		}
	case []any:
		into[path] = "list"
		for _, e := range x {
			describe(path+"[]", e, into)
		}
	default:
		into[path] = fmt.Sprintf("%T", v)
	}
}
