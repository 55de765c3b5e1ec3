package rehearsal

import (
	"context"
	"fmt"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/output"
	"ringboot/rehearsal/qemu"
)

// makeImages builds each node's image with the code of mkimage.
func (r *Rehearsal) makeImages(ctx context.Context) error {
	p := r.Plan.Profile
	keys, _, err := imagebuilder.Complete(ctx, p, r.paths.keyring(), nil)
	if err != nil {
		return err
	}
	looks := map[*imagebuilder.Base]*imagebuilder.Preflight{}
	for i, m := range r.Plan.Machines {
		if err := r.watch.trust(m.Node, keys.Nodes[m.Node].Cert); err != nil {
			return err
		}
		path := r.image(m.Node)
		r.sticks[m.Node] = path
		if r.options.Old == Resume && exists(path) || r.options.OneStick && i > 0 {
			continue // its ticket says what was installed; or it is made
		}
		base := r.options.Base
		if other := r.options.Bases[m.Node]; other != nil {
			base = other
		}
		packed, err := imagebuilder.PackAgent(r.options.Agent, r.options.Builder, base)
		if err != nil {
			return fmt.Errorf("image of %s: %w", m.Node, err)
		}
		if looks[base] == nil {
			if looks[base], err = r.options.look(base); err != nil {
				return fmt.Errorf("image of %s: %w", m.Node, err)
			}
		}
		request := imagebuilder.Request{Profile: p, Node: m.Node, Base: base, Keyring: keys, Agent: packed, Preflight: looks[base], Builder: r.options.Builder, Serial: true, Words: r.options.words()}
		if r.options.OneStick {
			request.Node = ""
		}
		if r.options.Change != nil {
			if err := r.options.Change(m.Node, &request); err != nil {
				return err
			}
		}
		image, err := imagebuilder.Build(request)
		if err != nil {
			return fmt.Errorf("image of %s: %w", m.Node, err)
		}
		if err := output.File(ctx, path, image.Patched, output.Options{Replace: true}); err != nil {
			return fmt.Errorf("image of %s: %w", m.Node, err)
		}
		if r.options.Spoil != nil {
			if err := r.options.Spoil(m.Node, path); err != nil {
				return err
			}
		}
	}
	return nil
}

// image is the file of the stick that was made for a machine.
func (r *Rehearsal) image(node string) string {
	if r.options.OneStick {
		node = imagebuilder.AllNodes
	}
	return r.paths.image(node)
}

// emulated is told to kernels on an emulated processor: their check of the
// timer fails when the host is busy while they make it, and they panic.
const emulated = "no_timer_check"

// loud has kernels say on the console what "quiet" keeps from it: the rehearsal
// knows by their first lines that a machine starts.
const loud = "ignore_loglevel"

// words are what the kernels of this rehearsal are told.
func (o Options) words() string {
	if o.Accel == qemu.KVM {
		return loud
	}
	return loud + " " + emulated
}

// look packs what looks at a machine before the installer does.
func (o Options) look(base *imagebuilder.Base) (*imagebuilder.Preflight, error) {
	of, err := base.ReadInitrd()
	if err != nil {
		return nil, err
	}
	return imagebuilder.PackPreflight(o.Look, of)
}

// stick is the image that is in the machine, or "".
func (r *Rehearsal) stick(node string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sticks[node]
}

// PutStick puts the stick that was made for one node into a machine, or takes
// the machine's stick out when made is "". It counts from the next power-on.
func (r *Rehearsal) PutStick(node, made string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sticks[node] = ""
	if made != "" {
		r.sticks[node] = r.image(made)
	}
}
