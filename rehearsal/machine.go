package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/qemu"
)

// paths is where a rehearsal keeps its files.
type paths string

func (p paths) image(node string) string { return filepath.Join(string(p), node+".img") }
func (p paths) disk(node string, i int) string {
	return filepath.Join(string(p), fmt.Sprintf("%s-disk%d.raw", node, i))
}
func (p paths) node(node string) string { return filepath.Join(string(p), node) }
func (p paths) keyring() string         { return filepath.Join(string(p), "keyring") }
func (p paths) events() string          { return filepath.Join(string(p), "events.log") }

// ReportFile is the name of a table's report in its directory.
const ReportFile = "report.md"

// makeDisks makes the empty disks of a machine.
func (r *Rehearsal) makeDisks(m Hardware) error {
	for i, d := range m.Disks {
		file, err := os.OpenFile(r.paths.disk(m.Node, i), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = file.Truncate(d.Bytes)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("disk of %s: %w", m.Node, err)
		}
	}
	return nil
}

// socket is where the machines of a practice system find their world.
func (r *Rehearsal) socket() string { return filepath.Join(r.sockets, "world") }

// begin begins the world of a practice system: its tools run here.
func (r *Rehearsal) begin(ctx context.Context) (err error) {
	if r.options.Base.Practice {
		r.world, err = machine.Listen(ctx, r.socket(), machine.Real{})
	}
	return err
}

func (r *Rehearsal) end() {
	if r.world != nil {
		r.world.Close()
	}
}

// PowerOn switches a machine on. Its stick is in it, as long as nobody has
// taken it out with PutStick.
func (r *Rehearsal) PowerOn(ctx context.Context, node string) error {
	hw, err := r.hardware(node)
	if err != nil {
		return err
	}
	vm, err := qemu.Start(r.ctx, hw, r.paths.node(node))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.vms[node] = vm
	r.mu.Unlock()
	r.watch.mu.Lock()
	r.watch.stage(node, StageBoot, "power on")
	r.watch.mu.Unlock()
	r.done.Go(func() { r.follow(node, vm) })
	return ctx.Err()
}

func (r *Rehearsal) hardware(node string) (qemu.Machine, error) {
	m := r.machine(node)
	if m.Node == "" {
		return qemu.Machine{}, fmt.Errorf("the rehearsal has no machine %s", node)
	}
	hw := m.hardware(r.options, r.paths)
	if r.world != nil {
		hw.Port, hw.Socket = machine.Port, r.socket()
	}
	hw.Media[0].Path = r.stick(node)
	if hw.Media[0].Path == "" {
		hw.Media = nil
	}
	for _, nic := range m.NICs {
		end := r.cables[node+"."+nic.ID]
		hw.NICs = append(hw.NICs, qemu.NIC{ID: nic.ID, MAC: nic.MAC, Local: end.local, Remote: end.remote})
	}
	return hw, nil
}

// Cut takes the power of a machine away.
func (r *Rehearsal) Cut(node string) {
	if vm := r.vm(node); vm != nil {
		vm.Cut()
	}
	r.watch.mu.Lock()
	r.watch.stage(node, StageOff, "power cut")
	r.watch.mu.Unlock()
}

func (r *Rehearsal) vm(node string) *qemu.VM {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.vms[node]
}

// PullCable unplugs the cable between two neighbours of the ring, at both ends.
func (r *Rehearsal) PullCable(ctx context.Context, a, b string, in bool) error {
	for _, m := range r.Plan.Machines {
		for _, nic := range m.NICs {
			if !nic.Ring || !(m.Node == a && nic.Peer == b || m.Node == b && nic.Peer == a) {
				continue
			}
			if err := r.vm(m.Node).SetLink(ctx, nic.ID, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow hands the lines of a console to the watch until the machine ends.
func (r *Rehearsal) follow(node string, vm *qemu.VM) {
	read := 0
	var boot menu
	take := func() {
		text := vm.Console.Text()
		// What the countdown would choose is chosen then, and nothing else.
		if boot.slow(text, time.Now()) && vm.Console.Send("\r") == nil {
			r.watch.note(node, "the boot menu counts too slowly here: what it would choose is chosen")
		}
		for {
			line, _, whole := strings.Cut(text[read:], "\n")
			if !whole {
				return
			}
			if r.watch.line(node, line) {
				r.again(node, vm)
			}
			read += len(line) + 1
		}
	}
	tick := time.NewTicker(followPause)
	defer tick.Stop()
	for {
		select {
		case <-vm.Done():
			take()
			return
		case <-tick.C:
			take()
		}
	}
}

// again presses the reset button of a machine whose emulator broke its kernel.
func (r *Rehearsal) again(node string, vm *qemu.VM) {
	if err := vm.Reset(r.ctx); err != nil && r.ctx.Err() == nil {
		r.watch.note(node, "reset: "+err.Error())
	}
}

// followPause is how often consoles are read.
const followPause = 250 * time.Millisecond
