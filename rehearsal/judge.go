package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Trip switches all machines on and waits until each of them has done a step.
// How they came there is judged, too.
func (r *Rehearsal) Trip(ctx context.Context, until string) error {
	if err := r.PowerOnAll(ctx); err != nil {
		return err
	}
	if err := r.Wait(ctx, "the trip to "+until, AllPast(until)); err != nil {
		return err
	}
	return r.Judge(until)
}

// CutAndReturn takes the power of some machines away, gives it back, and waits
// until each machine has done a step.
func (r *Rehearsal) CutAndReturn(ctx context.Context, nodes []string, until string) error {
	for _, n := range nodes {
		r.Cut(n)
	}
	for _, n := range nodes {
		if err := r.PowerOn(ctx, n); err != nil {
			return err
		}
	}
	return r.Wait(ctx, "the trip after a power cut of "+strings.Join(nodes, ", "), AllPast(until))
}

// ErrJudged says that machines came to the end of a trip in a way that is wrong.
var ErrJudged = fault.Unverified.New("the trip came to its end, and is no good")

// Judge looks back at a trip of machines that were switched on once: each must
// have been installed once, must have been heard, and must have left alone the
// disks that are not the system's, until Ceph takes them.
func (r *Rehearsal) Judge(until string) error {
	var wrong []error
	at := func(step string) int { return slices.Index(profiles.Steps(), step) }
	for _, v := range r.Views() {
		// The words of the real installer are not known.
		if r.options.Base.Practice && v.Installs != 1 {
			wrong = append(wrong, fmt.Errorf("%s was installed %d times", v.Node, v.Installs))
		}
		if v.Record == nil && at(until) >= at("peers") {
			wrong = append(wrong, fmt.Errorf("%s was never heard over multicast DNS", v.Node))
		}
		if at(until) >= at("ceph") {
			continue
		}
		n, err := r.BytesChanged(v.Node, false, false)
		if err != nil {
			return err
		}
		if n > 0 {
			wrong = append(wrong, fmt.Errorf("%s wrote %d bytes to disks that are not the system's", v.Node, n))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: %w", ErrJudged, errors.Join(wrong...))
	}
	return nil
}
