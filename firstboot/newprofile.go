package firstboot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/base"
	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/profiles/change"
	"ringboot/profiles/fault"
)

// Proposal is another profile for this node, and what would come of it.
type Proposal struct {
	Version int                 `json:"version"` // 1
	Node    string              `json:"node"`
	Settled bool                `json:"settled"`
	Keys    []change.Difference `json:"keys"`
	Steps   []Consequence       `json:"steps"` // those that would not be done
	Placed  bool                `json:"placed"`
	Grows   string              `json:"grows,omitempty"` // the node by which the cluster is to grow

	file  change.File
	files host.Files
}

// Consequence is what a step would do by the new profile.
type Consequence struct {
	Step    string   `json:"step"`
	Result  string   `json:"result"` // as apply says it
	Reason  string   `json:"reason,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	Already bool     `json:"already,omitempty"` // so it is by the present profile as well
}

// Change is one thing that a step would make so.
type Change struct {
	step.Change
	Already bool `json:"already,omitempty"` // it differs from the present profile as well
}

// Propose reads a file of mkimage seed and says what would come of it. It
// changes nothing. What may not change is refused, all of it at once.
func Propose(ctx context.Context, o Options, name string, text []byte) (*Proposal, error) {
	h := host.New(o.Root)
	own, err := base.LoadSeed(h.Files)
	if err != nil {
		return nil, fault.Precondition.Wrap(err)
	}
	f, profile, err := change.Parse(name, text)
	if err != nil {
		return nil, err
	}
	switch node := own.Seed.Node; {
	case f.Seed.ClusterID != own.Seed.ClusterID:
		return nil, fault.Refused.Errorf("%s is for cluster %s and this node is in cluster %s: write it with the keyring of this cluster", name, f.Seed.ClusterID, own.Seed.ClusterID)
	case f.Seed.Node != node:
		return nil, fault.Refused.Errorf("%s is for %s and this node is %s: mkimage seed --node %s writes the one for it", name, f.Seed.Node, node, node)
	}
	mark, err := settled.Read(h.Files)
	if err != nil {
		return nil, err
	}
	p := &Proposal{Version: 1, Node: own.Seed.Node, Settled: mark != nil, Keys: change.Between(own.Profile, profile), Steps: []Consequence{}, Grows: change.Added(own.Profile, profile), file: own.Merge(f), files: h.Files}
	if err := p.refused(name); err != nil || len(p.Keys) == 0 {
		return p, err
	}
	before, err := preview(ctx, o, h)
	if err != nil {
		return nil, err
	}
	then := h
	if then.Files, err = base.Laid(h.Files, p.file); err != nil {
		return nil, err
	}
	if _, err := base.LoadSeed(then.Files); errors.Is(err, profiles.ErrNotGrown) {
		return nil, fault.Refused.Errorf("%s: %w", name, err)
	}
	after, err := preview(ctx, o, then)
	if err != nil {
		return nil, err
	}
	p.Steps = consequences(before, after)
	return p, nil
}

// Lasting refuses a profile that came to a settled node by another way, as a
// playbook puts it there, where it asks for what may not change any more. It is
// held against the one that the keeper goes by; accounts are not in that.
func Lasting(o Options) error {
	h := host.New(o.Root)
	mark, err := settled.Read(h.Files)
	if err != nil || mark == nil {
		return err
	}
	var c keeper.Charge
	text, err := h.Files.ReadFile(keeper.ChargeFile)
	if err != nil || json.Unmarshal(text, &c) != nil || c.Profile == nil {
		return nil // nothing to hold it against: the keeper says itself that it lacks it
	}
	text, err = h.Files.ReadFile(profiles.ProfileFile)
	if err != nil {
		return fault.Precondition.Errorf("%w: put the profile there first", err)
	}
	now, err := profiles.Load(profiles.ProfileFile, text)
	if err != nil {
		return fault.Profile.Wrap(err)
	}
	c.Profile.Users = now.Users
	return (&Proposal{Settled: true, Keys: change.Between(c.Profile, now)}).refused(profiles.ProfileFile)
}

func preview(ctx context.Context, o Options, h host.Host) ([]engine.Outcome, error) {
	a, err := build(o, h)
	if err != nil {
		return nil, err
	}
	return a.Engine.Preview(ctx)
}

// refused names every key that may not change any more.
func (p *Proposal) refused(name string) error {
	var lines []string
	for _, d := range p.Keys {
		if d.Refused(p.Settled) {
			lines = append(lines, fmt.Sprintf("\n  %s is %s, asked for is %s: %s, because %s", d.Key, cmp.Or(d.Have, "left out"), cmp.Or(d.Want, "nothing"), d.When, d.Why))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	state := "is being formed"
	if p.Settled {
		state = "is settled"
	}
	return fault.Refused.Errorf("%s asks for what may not change, and nothing was changed; this node %s:%s", name, state, strings.Join(lines, ""))
}

// consequences is what the steps would do or wait for, and what of it is so already.
func consequences(before, after []engine.Outcome) []Consequence {
	out := []Consequence{}
	for i, a := range after {
		if a.Result == engine.ResultOK {
			continue
		}
		b := engine.Outcome{}
		if i < len(before) {
			b = before[i]
		}
		c := Consequence{Step: a.Step, Result: a.Result, Reason: a.Reason, Already: a.Result == b.Result}
		for _, ch := range a.Changes {
			already := slices.Contains(b.Changes, ch)
			c.Already = c.Already && already
			c.Changes = append(c.Changes, Change{ch, already})
		}
		out = append(out, c)
	}
	return out
}

// Idle reports whether the steps would do and wait for nothing else than they do
// by the present profile.
func (p *Proposal) Idle() bool {
	return !slices.ContainsFunc(p.Steps, func(c Consequence) bool { return !c.Already })
}

// Place puts the profile in place and applies nothing.
func (p *Proposal) Place() error {
	if err := base.Place(p.files, p.file); err != nil {
		return err
	}
	p.Placed = true
	return nil
}
