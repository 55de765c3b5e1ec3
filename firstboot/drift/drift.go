// Package drift says what differs from the plan on a settled node.
//
// It looks and tells, and changes nothing: what its owner did stays done. What
// somebody took over is not told again for as long as it stays as it was.
package drift

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles/fault"
)

// KeptFile holds what the owner took over.
const KeptFile = "/var/lib/ringboot/kept.json"

const version = 1

// Look goes through the steps and lists what differs, and what could not be
// looked at. before is what was told last: it says since when.
func Look(ctx context.Context, steps []step.Step, before []status.Drift, now time.Time) (found []status.Drift, blind []string) {
	for _, s := range steps {
		changes, err := observe(ctx, s)
		if ctx.Err() != nil {
			return found, append(blind, ctx.Err().Error())
		}
		if err != nil {
			blind = append(blind, fmt.Sprintf("step %s could not be looked at: %v", s.Name(), err))
			continue
		}
		for _, c := range changes {
			d := status.Drift{Step: s.Name(), Object: c.Object, Have: cmp.Or(c.Have, "missing"), Want: c.Want, Since: now}
			d.Text = sentence(d, c.Beyond)
			for _, b := range before {
				if b.Step == d.Step && b.Object == d.Object && b.Have == d.Have {
					d.Since = b.Since
				}
			}
			found = append(found, d)
		}
	}
	return found, blind
}

// observe asks one step. A step that waits has nothing to say of this node; one
// that would stop for a person says why.
func observe(ctx context.Context, s step.Step) ([]step.Change, error) {
	if o, ok := s.(step.Observer); ok {
		return o.Observe(ctx)
	}
	v, err := s.Check(ctx)
	switch {
	case err != nil:
		return nil, err
	case v.State == step.Todo:
		return v.Changes, nil
	case v.State == step.Stopped:
		return []step.Change{{Object: "step " + s.Name(), Have: v.Reason, Want: "as it was when the node settled"}}, nil
	}
	return nil, nil
}

// sentence is how a difference is told.
func sentence(d status.Drift, beyond bool) string {
	name := d.Object
	if strings.ContainsAny(name, " '\"") {
		name = strconv.Quote(name)
	}
	if beyond {
		return fmt.Sprintf("has grown beyond the plan: %s: %s, the plan says %s (nothing has to be done; firstboot drift --keep %s takes it over)", d.Object, d.Have, d.Want, name)
	}
	return fmt.Sprintf("differs from the plan: %s is %s, the plan says %s (firstboot apply --only %s puts it back; firstboot drift --keep %s takes it over)", d.Object, d.Have, d.Want, d.Step, name)
}

// kept is the content of KeptFile.
type kept struct {
	Version int             `json:"version"`
	Objects map[string]Kept `json:"objects"`
}

// Kept is one thing that the owner took over.
type Kept struct {
	Step string    `json:"step"`
	Have string    `json:"have"` // as it was then: if it changes again, it is told again
	At   time.Time `json:"at"`
}

func read(f host.Files) (kept, error) {
	k := kept{Version: version, Objects: map[string]Kept{}}
	text, err := f.ReadFile(KeptFile)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, fmt.Errorf("read what was taken over: %w", err)
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return k, fmt.Errorf("read what was taken over in %s: %w", KeptFile, err)
	}
	return k, host.Newer(KeptFile, k.Version, version)
}

// Untaken leaves out what was taken over.
func Untaken(f host.Files, found []status.Drift) ([]status.Drift, error) {
	k, err := read(f)
	if err != nil {
		return found, err
	}
	return slices.DeleteFunc(slices.Clone(found), func(d status.Drift) bool {
		o, ok := k.Objects[d.Object]
		return ok && o.Step == d.Step && o.Have == d.Have
	}), nil
}

// ErrNothingLikeIt is wrapped where nothing of that name differs.
var ErrNothingLikeIt = fault.Usage.New("differs not from the plan")

// Take takes over what is found of an object.
func Take(f host.Files, found []status.Drift, object string, now time.Time) error {
	k, err := read(f)
	if err != nil {
		return err
	}
	var names []string
	taken := false
	for _, d := range found {
		names = append(names, d.Object)
		if d.Object == object {
			k.Objects[object], taken = Kept{d.Step, d.Have, now.UTC()}, true
		}
	}
	if !taken {
		return fmt.Errorf("%q %w; what does: %s", object, ErrNothingLikeIt, cmp.Or(strings.Join(names, ", "), "nothing"))
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	if err := f.WriteFile(KeptFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("take over %s: %w", object, err)
	}
	return nil
}
