package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"ringboot/firstboot/drift"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/pve"
	"ringboot/profiles/fault"
)

// Look looks what differs from the plan, takes over what is named, tells the
// keeper, and changes nothing else. It is for a node that is settled.
func (a *Agent) Look(ctx context.Context, keep []string) (keeper.Told, error) {
	p := a.Parts
	f := p.Host.Files
	if p.mark == nil {
		return keeper.Told{}, fault.Precondition.New("this node is being formed: firstboot status shows how far it is, and nothing is drift yet")
	}
	var before keeper.Told
	text, err := f.ReadFile(keeper.ToldFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keeper.Told{}, err
	}
	_ = json.Unmarshal(text, &before) // torn: it is told anew
	now := p.Host.Clock.Now()
	node := pve.Local{Host: p.Host, Name: p.Node.Name}
	if err := node.Answers(); err != nil { // what cannot be read has not changed
		if len(keep) > 0 {
			return before, fault.Precondition.Wrap(err)
		}
		told := before
		told.Version, told.At, told.Hung = keeper.ToldVersion, now, err.Error()
		return told, writeTold(f, told)
	}
	found, blind := drift.Look(ctx, a.Engine.Steps(), before.Drift, now)
	for _, object := range keep {
		if err := drift.Take(f, found, object, now); err != nil {
			return keeper.Told{}, err
		}
	}
	told := keeper.Told{Version: keeper.ToldVersion, At: now, Risks: blind, Events: before.Events, Facts: before.Facts, Member: before.Member}
	if told.Drift, err = drift.Untaken(f, found); err != nil {
		told.Risks = append(told.Risks, err.Error())
	}
	asking, cancel := context.WithTimeout(ctx, factsTime)
	defer cancel()
	if facts, err := p.facts.Read(asking); err == nil {
		told.Facts = facts
	}
	if m, err := node.Membership(); err == nil {
		told.Member = membersOf(m)
	}
	disks, err := (pve.Ceph{Shell: pve.Shell{Host: p.Host, Node: p.Node.Name}}).Disks(asking)
	if err == nil { // what cannot be measured is not shown
		told.Wear = wearOf(disks)
	}
	return told, writeTold(f, told)
}

// factsTime bounds the reading of the node's facts for its keeper.
const factsTime = 20 * time.Second

// wearOf is how far the disks are used up, as they say it.
func wearOf(disks []pve.ListedDisk) (out []keeper.Wear) {
	for _, d := range disks {
		if d.Life >= 0 {
			out = append(out, keeper.Wear{Disk: d.Device, Serial: d.Serial, Used: float64(100 - d.Life)})
		}
	}
	return out
}
