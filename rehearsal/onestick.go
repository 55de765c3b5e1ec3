package rehearsal

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// InTurn takes the one stick of all machines through them, one after the other.
// The first few are installed, and start their own system with the stick in
// them; of the others the power goes when their installer has written something.
// No machine may be another node than its own, and the menu says before each who
// is installed, and who is next.
func (r *Rehearsal) InTurn(ctx context.Context, installed int) error {
	var done []string
	for i, node := range r.Nodes() {
		next := r.Nodes()[len(done)]
		says := fmt.Sprintf("installed: %s; next: %s", cmp.Or(strings.Join(done, " "), "none"), next)
		if err := r.PowerOn(ctx, node); err != nil {
			return err
		}
		var wrong error
		if err := r.Wait(ctx, "the installation of "+node+" from the one stick", func([]View) bool {
			if i < installed {
				return r.view(node).Starts > 0
			}
			n, err := r.BytesChanged(node, false, true)
			wrong = err
			return n > 0 || err != nil
		}); err != nil {
			return err
		}
		text := r.vm(node).Console.Text()
		r.Cut(node)
		switch {
		case wrong != nil:
			return wrong
		case !strings.Contains(text, "Guard: "+says):
			return fmt.Errorf("the menu on %s does not say %q", node, says)
		case !strings.Contains(text, "INSTALLS "+node+" AND ERASES "):
			return fmt.Errorf("the stick was not turned into that of %s", node)
		}
		if i < installed {
			done = append(done, node)
		}
	}
	return nil
}

// oneStick installs all machines from one stick, takes it out, and goes on to
// the end of the trip.
func (d *drilling) oneStick(ctx context.Context) error {
	r, err := d.table(ctx, func(o *Options) { o.OneStick, o.StickFirst = true, true })
	if err != nil {
		return err
	}
	if err := r.InTurn(ctx, len(r.Nodes())); err != nil {
		return err
	}
	for _, n := range r.Nodes() {
		r.PutStick(n, "")
	}
	if err := r.PowerOnAll(ctx); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the trip of machines from one stick", AllPast(d.o.Until)); err != nil {
		return err
	}
	return r.Judge(d.o.Until)
}
