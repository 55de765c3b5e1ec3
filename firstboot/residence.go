package firstboot

import (
	"context"
	"encoding/json"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/gate"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/upgrade"
)

// stateDir is where the builder remembers what it cannot read from the system.
const stateDir = "/var/lib/ringboot"

// reports are the files that the status page serves.
var reports = map[string]keeper.Served{
	"/report":      {File: acceptance.ReportHTML, Kind: "text/html; charset=utf-8"},
	"/report.html": {File: acceptance.ReportHTML, Kind: "text/html; charset=utf-8"},
	"/report.md":   {File: acceptance.ReportMarkdown, Kind: "text/markdown; charset=utf-8"},
	"/report.json": {File: acceptance.ReportJSON, Kind: "application/json"},
}

// services is what runs beside the plan for as long as the builder lives: what
// the keeper does once the node is settled. It is called before plan, so it
// sets what steps need: Caller, Ring, Peers. In a root there is no network of
// its own: nothing is asked there.
func services(p *Parts) ([]keeper.Service, error) {
	id, book, err := identityOf(p)
	if err != nil {
		return nil, err
	}
	p.identity, p.book = id, book
	kept, cfg, err := keeper.NewRing(keeper.RingOptions{Profile: p.Profile, Node: p.Node.Name, Identity: id, Book: book, Files: p.Host.Files, Log: p.Log})
	if err != nil {
		return nil, err
	}
	p.keeper, p.ringConfig, p.Ring = kept, cfg, kept.View
	var who members
	r := keeper.New(keeper.Options{
		Version: p.Version, Profile: p.Profile, Node: p.Node, Seed: p.Seed, Identity: id, Files: p.Host.Files, State: stateDir, Reports: reports,
		Book: book, Methods: p.Methods, Member: who.states, Ring: kept.View,
		Status: func() status.Status { return p.Status() },
		Kick:   func() { p.Kick() },
		Note:   func(text string) { _ = p.Journal.Note("", text) }, // the log has it
		Log:    p.Log,
	})
	p.resident.Store(r)
	facts := &gate.LocalFacts{Host: p.Host, Seed: p.Seed, Agent: p.Version, Status: func() status.Status { return p.Status() }}
	fresh := &upgrade.Fresh{Host: p.Host, Profile: p.Profile}
	facts.Stuck = fresh.Stuck
	if book != nil {
		facts.Who = func() status.Who { return id.WhoOf(book) }
	}
	p.facts = facts
	p.Peers = r.Peers
	if p.mark != nil && p.request == nil {
		b := newBeside(p.root, cfg, kept.Peers())
		p.keeper, p.Ring, p.Peers = b, b.View, b.nodes
	}
	p.Methods.Handle(trust.MethodFacts, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) { return facts.Read(ctx) })
	p.Methods.Handle(trust.MethodOrder, p.ordered)
	p.Local.Handle(trust.MethodPage, r.Link)
	p.Local.Handle(keeper.MethodPicture, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) { return r.Picture(ctx), nil })
	p.gate = gate.Options{Book: book, Profile: p.Profile, Node: p.Node.Name, Caller: r.Client(), Facts: facts.Read, Ring: p.Ring, Peers: p.Peers, Now: time.Now, Packages: fresh}
	if p.root != "" {
		p.gate.Caller = p.Caller
		return nil, nil
	}
	p.Caller = r.Client()
	out := append(r.Services(), keeper.Service{Name: "ring keeper", Run: kept.Run}, consoleService(p, r.Quiet))
	if book != nil {
		out = append(out, keeper.Service{Name: "admissions", Run: p.admissions})
	}
	return append(out, keeper.Service{Name: "membership", Run: func(ctx context.Context) error {
		who.follow(ctx, pve.Local{Host: p.Host, Name: p.Node.Name}, r.Quiet)
		return nil
	}}), nil
}
