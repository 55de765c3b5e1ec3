package replacedisk

import (
	"context"
	"fmt"
	"time"

	"ringboot/firstboot/blockdb"
	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// pause between two looks.
const pause = 5 * time.Second

// Options are what a replacement works with, on the node of the dead disk.
type Options struct {
	Host host.Host
	Node profiles.Node
	Ceph profiles.Ceph // how the new OSD is made
	Log  func(string)
}

// Replacement is one dead disk on its way out.
type Replacement struct {
	o    Options
	ceph pve.Ceph
	wait errand.Patience
}

// New returns a replacement that has not begun.
func New(o Options) *Replacement {
	r := &Replacement{o: o, ceph: pve.Ceph{Shell: pve.Shell{Host: o.Host, Node: o.Node.Name}}}
	r.wait = errand.Patience{Clock: o.Host.Clock, Say: r.say, Moving: true}
	return r
}

// Begin returns the order for what is asked: the one that is under way, or that
// was done, if it is the same; else a new one. It changes nothing.
func (r *Replacement) Begin(ctx context.Context, osd int, serial string) (*Order, error) {
	o, err := ReadOrder(r.o.Host.Files)
	if err != nil {
		return nil, err
	}
	same := o != nil && o.OSD == osd && o.Serial == serial
	switch {
	case same:
		o.Stopped = ""
		return o, nil
	case o != nil && o.Ended.IsZero():
		return nil, fault.Refused.Errorf("another replacement is under way, of %s: firstboot replace-disk osd.%d %s goes on with it, --forget gives it up", o.Of(), o.OSD, o.Serial)
	}
	return r.Plan(ctx, osd, serial)
}

// Plan looks whether the disk may be replaced, and changes nothing.
func (r *Replacement) Plan(ctx context.Context, osd int, serial string) (*Order, error) {
	o := &Order{Version: orderVersion, Node: r.o.Node.Name, OSD: osd, Serial: serial, Asked: r.o.Host.Clock.Now()}
	s, err := r.look(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.blind != "" {
		return nil, fault.Precondition.Errorf("%s: nobody knows what the dead disk alone has, so nothing is begun", s.blind)
	}
	if err := refused(o, s); err != nil {
		return nil, err
	}
	if o.Old, err = r.ceph.DeviceID(ctx, osd); err != nil {
		return nil, err
	}
	return o, nil
}

// Run goes on with the order until it is done or stopped; then the order says
// why. Its error means that the order cannot be kept.
func (r *Replacement) Run(ctx context.Context, o *Order) error {
	for o.Stopped == "" && o.Ended.IsZero() {
		s, err := r.look(ctx, o)
		if err != nil {
			return err
		}
		d := r.patience(decide(o, s))
		if d.act != actWait {
			r.say("%s", d.reason)
		}
		if n := s.fresh(o.Serial); n >= 0 {
			o.New = &n
		}
		if err := r.do(ctx, o, d); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.say("%v", err)
		}
		if err := o.Write(r.o.Host.Files); err != nil {
			return err
		}
		if o.Stopped == "" && o.Ended.IsZero() {
			if err := r.o.Host.Clock.Sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
	return nil
}

// patience turns a wait in which nothing moves into a stop, or into what helps.
func (r *Replacement) patience(d decision) decision {
	switch {
	case d.act != actWait:
		r.wait.Works()
	case !r.wait.Over(d.reason, d.limit):
	case d.after != actWait:
		d.act, d.reason = d.after, fmt.Sprintf("osd.%d did not come up by itself and is started", d.osd)
		r.wait.Works()
	default:
		d.act, d.reason = actStop, fmt.Sprintf("%s, for %s: look there, then go on", d.reason, d.limit)
	}
	return d
}

func (r *Replacement) say(format string, args ...any) { r.o.Log(fmt.Sprintf(format, args...)) }

// do does one thing. What is ours is written before it is done: a power cut
// must not forget it. Whether it worked is seen at the next look.
func (r *Replacement) do(ctx context.Context, o *Order, d decision) error {
	switch d.act {
	case actStop:
		o.Stopped = d.reason
	case actOut:
		o.Out = true
		if err := o.Write(r.o.Host.Files); err != nil {
			return err
		}
		return r.ceph.OutOSD(ctx, o.OSD)
	case actMake:
		for _, b := range d.beside {
			for _, volume := range b.Unused {
				if err := r.ceph.DropUnused(ctx, b.Disk, volume); err != nil {
					o.Stopped = err.Error() // it is no try: a person must look
					return err
				}
			}
		}
		o.Tries++
		if err := o.Write(r.o.Host.Files); err != nil {
			return err
		}
		return r.ceph.CreateOSD(ctx, d.disk, pve.NewOSD{Encrypted: r.o.Ceph.Encrypted, Beside: blockdb.Of(d.beside)})
	case actStart:
		o.Starts++
		if err := o.Write(r.o.Host.Files); err != nil {
			return err
		}
		return r.ceph.ActivateOSD(ctx, d.osd)
	case actPurge:
		o.Gone = true
		if err := o.Write(r.o.Host.Files); err != nil {
			return err
		}
		return r.ceph.PurgeOSD(ctx, o.OSD)
	case actDone:
		o.Ended = r.o.Host.Clock.Now()
	}
	return nil
}

// look asks Ceph and the node. What does not answer makes it blind.
func (r *Replacement) look(ctx context.Context, o *Order) (sight, error) {
	s := sight{node: r.o.Node, ceph: r.o.Ceph, is: r.ceph.Is}
	var err error
	if s.health, err = r.ceph.Health(ctx); err == nil {
		s.tree, err = r.ceph.Tree(ctx)
	}
	if err != nil {
		s.blind = fmt.Sprintf("Ceph does not answer (%v)", err)
		return s, ctx.Err()
	}
	if s.disks, err = r.ceph.Disks(ctx); err == nil {
		s.volumes, err = r.ceph.Volumes(ctx)
	}
	if err == nil {
		s.groups, err = blockdb.Groups(ctx, r.ceph, r.o.Node, s.disks)
	}
	if err != nil {
		s.blind = fmt.Sprintf("the disks of %s cannot be listed (%v)", o.Node, err)
		return s, ctx.Err()
	}
	if _, there := s.osd(o.OSD); there && s.health.Clean == s.health.PGs {
		if err := r.ceph.SafeToDestroy(ctx, o.OSD); err != nil {
			s.unsafe = err.Error()
		}
	}
	return s, ctx.Err()
}
