package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/imagebuilder"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/cable"
	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/qemu"
)

// Options say what is rehearsed, and on what.
type Options struct {
	Profile  *profiles.Profile  // resolved
	Base     *imagebuilder.Base // the open stock ISO
	Agent    *io.SectionReader  // the agent's binary
	Look     *io.SectionReader  // what looks before the installer
	Builder  string             // version of mkimage
	Dir      string             // everything is kept here; short, for sockets lie in it
	Firmware qemu.Firmware
	Accel    qemu.Accel
	// MemoryMiB and CPUs of each machine; 0: what the ISO needs.
	MemoryMiB, CPUs int
	// StickFirst makes firmware prefer the stick, so that nothing but the guard
	// of the image keeps a machine from being installed again and again.
	StickFirst bool
	// OneStick makes one stick for all machines; one of them at a time has it.
	OneStick bool
	// Serials gives disks another serial number than the profile knows.
	Serials map[string]string
	// Bases are stock ISOs of single nodes, instead of Base.
	Bases map[string]*imagebuilder.Base
	// Old says what becomes of the machines of an earlier rehearsal in Dir.
	Old Old
	// Say hears what happens; may be nil. It must not block.
	Say func(Event)
	// Change alters what an image is made of, and Spoil the finished file, to
	// seed a fault; both may be nil.
	Change func(node string, r *imagebuilder.Request) error
	Spoil  func(node, path string) error
}

// Rehearsal is a set of machines on the table, cabled, with a stick in each.
type Rehearsal struct {
	Plan    *Plan
	options Options
	paths   paths
	sockets string
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	done    sync.WaitGroup
	closing sync.Once
	lan     *cable.Switch
	watch   *watch
	cables  map[string]end
	wires   map[string]*cable.Switch // of the ring, by one of their ends

	mu     sync.Mutex
	vms    map[string]*qemu.VM
	sticks map[string]string // node -> image in it
	world  *machine.World    // of a practice system; else nil
}

// end is one end of a cable.
type end struct{ local, remote string }

// practiceMemory is enough for the practice system while it is installed from
// memory; realMemory is what Proxmox VE wants at the least.
const (
	practiceMemory = 1536
	realMemory     = 4096
)

// New makes the images and lays out the machines. Nothing is switched on.
func New(ctx context.Context, o Options) (*Rehearsal, error) {
	plan, err := Adapt(o.Profile, o.Base.Practice)
	if err != nil {
		return nil, err
	}
	if o.Base.Practice {
		o.MemoryMiB = cmp.Or(o.MemoryMiB, practiceMemory)
	}
	o.MemoryMiB, o.Firmware = cmp.Or(o.MemoryMiB, realMemory), cmp.Or(o.Firmware, qemu.UEFI)
	if o.CPUs == 0 {
		o.CPUs = 2
		// Emulated processors that share a real one only wait for each other.
		if o.Accel != qemu.KVM && runtime.NumCPU() < 2*len(plan.Machines) {
			o.CPUs = 1
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	if err := o.Old.settle(paths(o.Dir), plan.Machines); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range plan.Machines {
		names = append(names, m.Node)
	}
	r := &Rehearsal{Plan: plan, options: o, paths: paths(o.Dir), watch: newWatch(names, o.Say), cables: map[string]end{}, wires: map[string]*cable.Switch{}, vms: map[string]*qemu.VM{}, sticks: map[string]string{}}
	if r.sockets, err = os.MkdirTemp("", "rb-"); err != nil {
		return nil, err
	}
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.layOut(ctx); err != nil {
		r.Close()
		return nil, err
	}
	r.done.Go(func() { r.lan.Run(r.ctx) })
	for _, wire := range r.wires {
		r.done.Go(func() { wire.Run(r.ctx) })
	}
	return r, nil
}

// layOut makes images, disks, switch and cables.
func (r *Rehearsal) layOut(ctx context.Context) error {
	if err := r.makeImages(ctx); err != nil {
		return err
	}
	r.lan = cable.NewSwitch(r.sockets)
	r.lan.AddRouter(r.Plan.Profile.Management.Gateway, r.Plan.Profile.Management.NTP)
	r.lan.Tap(r.watch.frame)
	if err := r.begin(ctx); err != nil {
		return err
	}
	for _, m := range r.Plan.Machines {
		if err := r.makeDisks(m); err != nil {
			return err
		}
		for _, nic := range m.NICs {
			name := m.Node + "." + nic.ID
			wire := r.lan
			if nic.Ring {
				wire = r.cable(name, nic.Peer+"."+nic.To)
			}
			local, remote, err := wire.Plug(name)
			if err != nil {
				return err
			}
			r.cables[name] = end{local, remote}
		}
	}
	return nil
}

// cable is the wire between two cards of the ring: a switch of two ports, which
// drops what a machine that is off or busy does not take. Sockets alone would
// stop the sender.
func (r *Rehearsal) cable(one, other string) *cable.Switch {
	key := min(one, other)
	if r.wires[key] == nil {
		r.wires[key] = cable.NewSwitch(r.sockets)
		r.wires[key].Tap(r.watch.hello)
	}
	return r.wires[key]
}

// Nodes are the machines' names, in the profile's order.
func (r *Rehearsal) Nodes() []string { return slices.Clone(r.watch.order) }

// PowerOnAll switches all machines on at once. Times count from here.
func (r *Rehearsal) PowerOnAll(ctx context.Context) error {
	r.watch.mu.Lock()
	r.watch.start = time.Now()
	r.watch.mu.Unlock()
	for _, n := range r.Nodes() {
		if err := r.PowerOn(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Views are all machines as they are now.
func (r *Rehearsal) Views() []View { return r.watch.all() }

// Events is what happened so far.
func (r *Rehearsal) Events() []Event {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return slices.Clone(r.watch.events)
}

// ErrMachine says that a machine went wrong in a way that waiting does not mend.
var ErrMachine = fault.Unverified.New("a machine has failed")

// Wait waits until ok holds of all machines. It ends at once when a machine
// fails, and its error says the one line that matters.
func (r *Rehearsal) Wait(ctx context.Context, what string, ok func([]View) bool) error {
	for {
		changed := r.watch.next()
		failures := r.Failures()
		for _, n := range r.watch.order {
			if failures[n] != "" {
				return fmt.Errorf("%w: %s: %s (all of it: %s)", ErrMachine, n, failures[n], r.paths)
			}
		}
		if ok(r.Views()) {
			return nil
		}
		for _, n := range r.Nodes() {
			if vm := r.vm(n); vm != nil && !vm.Running() && r.view(n).Stage != StageOff {
				return fmt.Errorf("%w: %s switched itself off while %s; last lines:\n%s", ErrMachine, n, what, vm.Console.Tail(12))
			}
		}
		select {
		case <-changed:
		case <-time.After(waitPause):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; %s (all of it: %s)", what, context.Cause(ctx), r.where(), r.paths)
		}
	}
}

// Failures are the lines in which machines said that they failed, by node.
func (r *Rehearsal) Failures() map[string]string {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	return maps.Clone(r.watch.failure)
}

// WaitFailures waits until every one of the nodes has failed. A node that gets
// as far as an agent has not failed, and ends the waiting.
func (r *Rehearsal) WaitFailures(ctx context.Context, nodes ...string) error {
	for {
		changed := r.watch.next()
		failures := r.Failures()
		missing := slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return failures[n] != "" })
		if len(missing) == 0 {
			return nil
		}
		for _, n := range missing {
			if v := r.view(n); v.Step > 0 {
				return fmt.Errorf("%s should have failed, and is at step %s", n, v.Stage)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s did not fail: %w; %s", strings.Join(missing, ", "), context.Cause(ctx), r.where())
		}
	}
}

// waitPause bounds how late a machine is noticed that ended without a word.
const waitPause = 2 * time.Second

func (r *Rehearsal) view(node string) View {
	for _, v := range r.Views() {
		if v.Node == node {
			return v
		}
	}
	return View{}
}

// where says in one line how far each machine is.
func (r *Rehearsal) where() string {
	var parts []string
	for _, v := range r.Views() {
		text := v.Node + " is at " + v.Stage
		if v.Waiting != "" {
			text += ": " + v.Waiting
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// Past reports whether a machine has done a step of the agent, in the order of
// the plan.
func (v View) Past(step string) bool {
	if v.Stage == stageFormed {
		return true
	}
	at := slices.Index(profiles.Steps(), v.Stage)
	return at >= 0 && at > slices.Index(profiles.Steps(), step)
}

// AllPast waits for every machine to have done a step.
func AllPast(step string) func([]View) bool {
	return func(all []View) bool {
		return !slices.ContainsFunc(all, func(v View) bool { return !v.Past(step) })
	}
}

// Lose loses the frames that lose tells, on the LAN and on the ring; nil loses none.
func (r *Rehearsal) Lose(lose func(frame []byte) bool) {
	r.lan.Drop(lose)
	for _, wire := range r.wires {
		wire.Drop(lose)
	}
}

// Close switches everything off. The directory stays.
func (r *Rehearsal) Close() { r.closing.Do(r.close) }

func (r *Rehearsal) close() {
	r.mu.Lock()
	machines := slices.Collect(maps.Values(r.vms))
	r.mu.Unlock()
	for _, vm := range machines {
		vm.Cut()
	}
	r.stop()
	r.done.Wait()
	r.end()
	os.RemoveAll(r.sockets) //nolint:errcheck // sockets of ours
	r.record()
}

// Clear removes what is large or secret: images, disks, keyring. Report,
// consoles and events stay.
func (r *Rehearsal) Clear() error {
	errs := []error{os.RemoveAll(r.paths.keyring())}
	for _, m := range r.Plan.Machines {
		if err := os.Remove(r.image(m.Node)); !errors.Is(err, os.ErrNotExist) { // one may be that of all
			errs = append(errs, err)
		}
		for i := range m.Disks {
			errs = append(errs, os.Remove(r.paths.disk(m.Node, i)))
		}
	}
	return errors.Join(errs...)
}

// Dir is where everything of this table lies.
func (r *Rehearsal) Dir() string { return string(r.paths) }

// record writes down what happened.
func (r *Rehearsal) record() {
	var b strings.Builder
	for _, e := range r.Events() {
		fmt.Fprintf(&b, "%7.1f %-14s %s\n", e.At.Seconds(), e.Node, e.Text)
	}
	os.WriteFile(r.paths.events(), []byte(b.String()), 0o600) //nolint:errcheck // the verdict does not hang on it
}
