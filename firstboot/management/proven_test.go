package management

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// One thing that did not come up is enough to give the old network back; what
// ifupdown2 complained of is the reason where it did.
func TestOneWrongThingIsEnough(t *testing.T) {
	for complaint, want := range map[string]string{"": "vmbr0 did not come up as written", "error: vmbr0: busy": "ifreload -a: exit status 1: error: vmbr0: busy"} {
		b := newBench(t, nil)
		h := b.Host()
		reloads := 0
		h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
			line := strings.Join(cmd.Argv, " ")
			r, err := b.Run(t.Context(), cmd)
			switch {
			case line == "ifreload -a":
				if reloads++; reloads == 1 && complaint != "" {
					return host.Result{Code: 1, Stderr: []byte(complaint + "\n")}, nil
				}
			case strings.HasPrefix(line, "ip -6") && reloads == 1:
				return host.Result{}, nil
			}
			return r, err
		})
		b.start(h)
		want := "the old network is back, because " + want + ": check the cables and switch ports, and nodes[].ports of frege"
		if err := b.step.Apply(t.Context()); !step.IsNotYet(err) || err.Error() != want || reloads != 2 {
			t.Errorf("%v, %d reloads", err, reloads)
		}
	}
}

// What was wrong with an earlier trial is not said of the next one.
func TestEachTrialForItself(t *testing.T) {
	b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Grumbles = true })
	if v := b.run(t); v.State != step.Done || len(v.Risks) != 1 {
		t.Fatalf("%s %q", v.Reason, v.Risks)
	}
	h := b.Host()
	h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
		r, err := b.Run(t.Context(), cmd)
		if cmd.Argv[0] == "ifreload" {
			r.Code = 0
		}
		return r, err
	})
	b.step.host = h
	b.put(t, interfacesFile, strings.Replace(b.text(interfacesFile), "\tbond-primary enp87s0\n", "", 1))
	if v := b.run(t); v.State != step.Done || len(v.Risks) > 0 {
		t.Errorf("%s %q", v.Reason, v.Risks)
	}
	// Somebody mends the port and has the step run at once: what comes after waits for nothing.
	plugged := false
	b = newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.NICs[1].Wired = false })
	h = b.Host()
	h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
		if plugged && cmd.Argv[0] == agentProgram {
			return host.Result{}, nil
		}
		return b.Run(t.Context(), cmd)
	})
	b.start(h)
	if v := b.run(t); v.State != step.Waiting {
		t.Fatalf("%s %s", v.State, v.Reason)
	}
	plugged = true
	if err := b.step.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.put(t, netClass+"/bond0/bonding/mode", "802.3ad 4\n")
	if v := b.check(t); v.State != step.Todo {
		t.Errorf("%s %s", v.State, v.Reason)
	}
}

// What fails while a trial is given back, or goes on after a cut, is told too.
func TestNothingThatFailsOnTheWayBackIsPassedOver(t *testing.T) {
	var b *bench
	deaf := func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) {
		o.NICs[1].Wired, o.NICs[1].Answers, o.NICs[0].Wired, o.NICs[0].Answers = false, true, false, true
	}
	for name, fresh := range map[string]func() host.Host{
		"given back": func() host.Host { b = newBench(t, deaf); return b.Host() },
		"cut off": func() host.Host {
			b, _ = dies(t, "write "+networkMarker, crash.Cut{Kill: true}, nil)
			return b.Host()
		},
	} {
		for r := range crash.Refusals(fresh, func(h host.Host) error {
			b.start(h)
			return b.step.Apply(t.Context())
		}) {
			if forgiven(r.What) || strings.HasPrefix(r.What, "fail ") {
				continue
			}
			if r.Err == nil || !strings.Contains(r.Err.Error(), crash.ErrRefused.Error()) {
				t.Errorf("%s: %s was refused, and the step says %v", name, r.What, r.Err)
			}
		}
	}
}

// With which words a port is tried, and which ports are not: those that carry the
// network now, and those without a link.
func TestHowAPortIsTried(t *testing.T) {
	for name, c := range map[string]struct {
		change changed
		want   []string
	}{
		"plain":        {nil, []string{"ip link set dev enp90s0 up", agentProgram + " probe-port enp90s0 10.203.3.1"}},
		"in a VLAN":    {func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Management.VLAN = 1 }, []string{"ip link set dev enp90s0 up", agentProgram + " probe-port --vlan 1 enp90s0 10.203.3.1"}},
		"without link": {func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.NICs[1].Carrier = false }, []string{"ip link set dev enp90s0 up"}},
		"of a group":   {func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Management.Bond = "802.3ad" }, nil},
	} {
		b := newBench(t, c.change)
		var ran []string
		h := b.Host()
		h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
			ran = append(ran, strings.Join(cmd.Argv, " "))
			if limit := cmd.Timeout.Seconds(); limit != 10 {
				t.Errorf("%v is ended after %v s", cmd.Argv, limit)
			}
			return b.Run(t.Context(), cmd)
		})
		b.start(h)
		a, err := b.step.target()
		if err != nil {
			t.Fatal(err)
		}
		if err := b.step.prove(t.Context(), a); err != nil || !slices.Equal(ran, c.want) {
			t.Errorf("%s: ran %q, %v", name, ran, err)
		}
	}
	b := newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.NICs[1].Carrier = false })
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	a, err := b.step.target()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.step.prove(ended, a); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for a link is not interrupted: %v", err)
	}
}
