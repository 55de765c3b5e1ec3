package management

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// dies is a machine whose agent is cut off right after it has done something.
func dies(t *testing.T, last string, cut crash.Cut, change changed) (*bench, *crash.Machine) {
	t.Helper()
	b := newBench(t, change)
	count := crash.New(b.Disk, b, b.Clock)
	b.start(count.Host())
	count.Arm(crash.Cut{})
	b.run(t)
	at := slices.Index(count.Log(), last)
	if at < 0 {
		t.Fatalf("%q is not done: %q", last, count.Log())
	}
	cut.Point, cut.When = at+1, crash.After
	b = newBench(t, change)
	m := crash.New(b.Disk, b, b.Clock)
	b.start(m.Host())
	m.Arm(cut)
	if err := b.step.Apply(t.Context()); !m.Dead() || !errors.Is(err, crash.ErrPowerCut) {
		t.Fatalf("the agent was not killed after %q: %v", last, err)
	}
	return b, m
}

// The agent is killed while a change that does not work is on trial: the timer,
// or the boot, undoes it.
func TestTheOldNetworkComesBackByItself(t *testing.T) {
	deaf := func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) {
		o.NICs[1].Wired, o.NICs[1].Answers = false, true
	}
	for name, back := range map[string]func(*bench, *crash.Machine) error{
		"timer": func(b *bench, _ *crash.Machine) error { return b.Elapse(t.Context(), 3*time.Minute) },
		"boot":  func(_ *bench, m *crash.Machine) error { m.Reboot(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			old := newBench(t, deaf).text(interfacesFile)
			b, m := dies(t, "run ifreload -a", crash.Cut{Kill: name == "timer"}, deaf)
			if b.text(interfacesFile) == old {
				t.Fatal("nothing was on trial")
			}
			if err := back(b, m); err != nil {
				t.Fatal(err)
			}
			if now := b.text(interfacesFile); now != old {
				t.Errorf("without any agent the new network stayed:\n%s", now)
			}
			if !host.Exists(b.Disk, "/sys/class/net/vmbr0/brif/enp87s0") || host.Exists(b.Disk, networkMarker) {
				t.Error("the kernel does not have the old network")
			}
		})
	}
}

// The next agent finds a change on trial: it keeps it where it works, and begins
// again from the old network where it was cut off before there was a new one.
func TestATrialThatWasCutOffGoesOn(t *testing.T) {
	want := func() string {
		b := newBench(t, nil)
		b.run(t)
		return b.text(interfacesFile)
	}()
	for _, last := range []string{"write " + networkMarker, "write " + interfacesFile, "run ifreload -a"} {
		b, m := dies(t, last, crash.Cut{Kill: true}, nil)
		m.Reboot()
		b.start(m.Host())
		m.Arm(crash.Cut{})
		v := b.check(t)
		if v.State != step.Todo || v.Reason != "a change of the network is on trial and nobody has confirmed it" || !slices.Equal(objects(v), []string{interfacesFile + ":  -> confirmed or rolled back"}) {
			t.Errorf("after %q: %s %s %q", last, v.State, v.Reason, objects(v))
		}
		if last == "write "+interfacesFile { // the kernel has the old one: it is given back, and waits
			if v := b.run(t); v.State != step.Waiting || v.Reason != "the old network is back, because bond0 did not come up as written: check the cables and switch ports, and nodes[].ports of frege" {
				t.Errorf("after %q: %s %s", last, v.State, v.Reason)
			}
			b.Clock.Advance(retryAfter)
		}
		if v := b.run(t); v.State != step.Done || b.text(interfacesFile) != want {
			t.Errorf("after %q: %s %s\n%s", last, v.State, v.Reason, b.text(interfacesFile))
		}
		if reloads := strings.Count(strings.Join(m.Log(), "\n"), "run ifreload -a"); (reloads == 0) != (last == "run ifreload -a") {
			t.Errorf("after %q: %q", last, m.Log())
		}
		if host.Exists(b.Disk, networkMarker) || strings.Contains(b.Running(), "timer") {
			t.Errorf("after %q the trial is still on: %s", last, b.Running())
		}
	}
}

// What gives the old network back says whether it did, reloads only where a
// network runs, and says what is missing.
func TestTheNetworkIsGivenBack(t *testing.T) {
	b := newBench(t, nil)
	if did, err := RestoreNetwork(t.Context(), b.Host(), true); did || err != nil || len(b.Calls) > 0 {
		t.Errorf("without a trial: %v, %v, ran %q", did, err, b.Calls)
	}
	b.put(t, networkMarker, "")
	const lost = "/var/lib/ringboot/network/on-trial says that a change is on trial, but there is no backup in /var/lib/ringboot/network/interfaces: look at /etc/network/interfaces and remove the marker"
	if did, err := RestoreNetwork(t.Context(), b.Host(), true); did || err == nil || err.Error() != lost {
		t.Errorf("without a backup: %v, %v", did, err)
	}
	for _, reload := range []bool{false, true} {
		b := newBench(t, nil)
		b.put(t, networkMarker, "")
		b.put(t, networkBackup, "the old one\n")
		if did, err := RestoreNetwork(t.Context(), b.Host(), reload); !did || err != nil || b.text(interfacesFile) != "the old one\n" || host.Exists(b.Disk, networkMarker) {
			t.Errorf("%v: %v, %v", reload, did, err)
		}
		if ran := slices.Contains(b.Calls, "ifreload -a"); ran != reload {
			t.Errorf("%v: ran %q", reload, b.Calls)
		}
	}
	fresh := func() host.Host {
		b = newBench(t, nil)
		b.put(t, networkMarker, "")
		b.put(t, networkBackup, "the old one\n")
		return b.Host()
	}
	for r := range crash.Refusals(fresh, func(h host.Host) error {
		_, err := RestoreNetwork(t.Context(), h, true)
		return err
	}) {
		if r.Err == nil || len(r.After) > 0 {
			t.Errorf("%s was refused: %v, and then %q", r.What, r.Err, r.After)
		}
		if r.What != "sync all" && !host.Exists(b.Disk, networkMarker) {
			t.Errorf("%s was refused, and nobody will try it again", r.What)
		}
	}
	// Without a way back the sentence says both.
	b = newBench(t, func(o *nodetest.Options, _ *profiles.Profile, _ *profiles.Node) { o.Broken = true })
	h := b.Host()
	h.Commands = scripted(func(cmd host.Cmd) (host.Result, error) {
		if cmd.Argv[0] == "ifreload" {
			return host.Result{Code: 1, Stderr: []byte("error: vmbr0: busy\n")}, nil
		}
		return b.Run(t.Context(), cmd)
	})
	b.start(h)
	const both = "ifreload -a: exit status 1: error: vmbr0: busy, and the old network could not be given back: ifreload -a: exit status 1: error: vmbr0: busy"
	if err := b.step.Apply(t.Context()); err == nil || err.Error() != both || step.IsNotYet(err) {
		t.Errorf("%v", err)
	}
}
