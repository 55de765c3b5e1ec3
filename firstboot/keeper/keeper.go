// Package keeper is the resident of a node: ring, records, the channel to its
// peers and the status page.
//
// While a cluster is being formed the builder runs these parts itself. Once the
// node is settled the keeper does, as a user of its own with two capabilities,
// and it can do nothing else: it reads no secret but its own key, names no file
// of Proxmox, and changes nothing but the ring's routes and its own directory.
package keeper

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// Where the builder puts what the keeper goes by. HandoverFile holds the
// keeper's own keys: systemd hands it over as a credential, and its directory
// is closed to the keeper. What lies in PublicDir may be read by anybody.
const (
	HandoverFile = "/var/lib/ringboot/handover.json"
	PublicDir    = "/var/lib/ringboot-public"
	ChargeFile   = PublicDir + "/charge.json"
	ToldFile     = PublicDir + "/told.json"
	StateDir     = "/var/lib/ringboot-keeper"
	Credential   = "handover.json"
)

// Handover is the keeper's secrets: its own, and nobody else's.
type Handover struct {
	Deputy   trust.Deputy `json:"deputy"`
	PageCert []byte       `json:"page_cert,omitempty"` // so that a browser's exception stays good
	PageKey  []byte       `json:"page_key,omitempty"`
}

// ChargeVersion and ToldVersion are the forms of ChargeFile and ToldFile.
const (
	ChargeVersion = 1
	ToldVersion   = 1
)

// Charge is what the keeper knows of the plan.
type Charge struct {
	Version int                 `json:"version"` // 1
	Agent   string              `json:"agent"`   // version of the builder that handed over
	Profile *profiles.Profile   `json:"profile"` // without its users
	Seed    profiles.Seed       `json:"seed"`
	Settled time.Time           `json:"settled"`
	Steps   []status.StepStatus `json:"steps"`
	// Bindings are the keys that count for each node, with their proofs.
	Bindings bindings.Document `json:"bindings,omitzero"`
}

// Told is what was found when the node was last looked at as root. The keeper
// shows it; it cannot look itself.
type Told struct {
	Version int                     `json:"version"` // 1
	At      time.Time               `json:"at"`
	Facts   status.Facts            `json:"facts"`
	Drift   []status.Drift          `json:"drift"`
	Risks   []string                `json:"risks,omitempty"`
	Hung    string                  `json:"hung,omitempty"` // the cluster's file system did not answer
	Member  map[string]status.State `json:"member,omitempty"`
	Events  []status.Event          `json:"events,omitempty"`
	Wear    []Wear                  `json:"wear,omitempty"` // of this node's disks
}

// Keeper is the resident of a settled node.
type Keeper struct {
	version  string
	charge   Charge
	files    host.Files
	log      func(string)
	ring     *ring.Keeper
	resident *Resident
	book     *bindings.Book
	local    *Local
	events   history

	mu         sync.Mutex
	told       Told
	toldAt     time.Time
	ordered    []byte             // signature of the order that was laid down last
	acceptance *status.Acceptance // of the report that was handed over
	felt       Felt
}

// toldKeeps is how long what was told is shown before the file is read again.
const toldKeeps = 5 * time.Second

// Open puts the keeper together from what the builder handed over. It touches
// nothing.
func Open(version string, files host.Files, handover []byte, log func(string)) (*Keeper, error) {
	var h Handover
	if err := json.Unmarshal(handover, &h); err != nil {
		return nil, fmt.Errorf("read what the builder handed over: %w", err)
	}
	text, err := files.ReadFile(ChargeFile)
	if err != nil {
		return nil, fmt.Errorf("read what the builder handed over: %w", err)
	}
	k := &Keeper{version: version, files: files, log: log, local: &Local{}}
	err = json.Unmarshal(text, &k.charge)
	if newer := host.Newer(ChargeFile, k.charge.Version, ChargeVersion); newer != nil {
		return nil, newer
	}
	if err == nil && k.charge.Profile == nil {
		err = io.ErrUnexpectedEOF // it is cut off before the profile
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: it is not what a builder writes (%w): run firstboot settle", ChargeFile, err)
	}
	id, err := h.Deputy.Identity()
	if err != nil {
		return nil, err
	}
	node, ok := k.charge.Profile.Node(k.charge.Seed.Node)
	if !ok || id.Name != node.Name {
		return nil, fmt.Errorf("the keeper's certificate is for %q, the charge for %q: run firstboot settle", id.Name, k.charge.Seed.Node)
	}
	if err := k.keepPage(h); err != nil {
		return nil, err
	}
	if err := k.openBook(id); err != nil {
		return nil, err
	}
	k.ring, _, err = NewRing(RingOptions{Profile: k.charge.Profile, Node: node.Name, Identity: id, Book: k.book, Files: files, State: StateDir + "/ring.json",
		Log: func(text string) { k.note(text) }})
	if err != nil {
		return nil, err
	}
	methods := &trust.Methods{}
	settled := func() trust.Life { return trust.Settled }
	methods.Live(settled)
	k.local.Live(settled)
	methods.Handle(trust.MethodFacts, func(context.Context, string, json.RawMessage) (any, error) { return k.facts(), nil })
	methods.Handle(trust.MethodReport, k.report)
	methods.Handle(trust.MethodOrder, k.order)
	k.resident = New(Options{
		Version: version, Profile: k.charge.Profile, Node: node, Seed: k.charge.Seed, Identity: id, Book: k.book, Files: files, Methods: methods, State: StateDir,
		Status: k.Status, Kick: func() {}, Note: k.events.add, Log: log, Member: k.member, Ring: k.ring.View, Told: k.look, Reports: publicReports(),
		Unknown: func(method string) error {
			return fmt.Errorf("%s is settled and its builder has left, so %s is not answered: run firstboot resume on it", node.Name, method)
		},
	})
	k.local.Handle(trust.MethodStatus, func(context.Context, string, json.RawMessage) (any, error) { return k.Status(), nil })
	k.local.Handle(trust.MethodPage, k.resident.Link)
	k.local.Handle(MethodPicture, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
		return k.resident.Picture(ctx), nil
	})
	return k, nil
}

// publicReports are the copies of the report that anybody may read.
func publicReports() map[string]Served {
	return map[string]Served{
		"/report":      {File: PublicDir + "/report.html", Kind: "text/html; charset=utf-8"},
		"/report.html": {File: PublicDir + "/report.html", Kind: "text/html; charset=utf-8"},
		"/report.md":   {File: PublicDir + "/report.md", Kind: "text/markdown; charset=utf-8"},
		"/report.json": {File: PublicDir + "/report.json", Kind: "application/json"},
	}
}

// report answers one form of the report, as the step report does.
func (k *Keeper) report(_ context.Context, _ string, in json.RawMessage) (any, error) {
	form := "json"
	if len(in) > 0 {
		if err := json.Unmarshal(in, &form); err != nil {
			return nil, err
		}
	}
	s, ok := publicReports()["/report."+form]
	if !ok {
		return nil, fmt.Errorf("the report comes as json, md or html, not as %q", form)
	}
	text, err := k.files.ReadFile(s.File)
	return string(text), err
}

// keepPage takes over the page's certificate the first time.
func (k *Keeper) keepPage(h Handover) error {
	if host.Exists(k.files, StateDir+"/"+pageKeyFile) || len(h.PageKey) == 0 {
		return nil
	}
	if err := k.files.WriteFile(StateDir+"/"+pageKeyFile, h.PageKey, 0o600); err != nil {
		return fmt.Errorf("keep the page's key: %w", err)
	}
	return k.files.WriteFile(StateDir+"/"+pageCertFile, h.PageCert, 0o600)
}

// Run keeps and answers until the context ends.
func (k *Keeper) Run(ctx context.Context, n host.Notifier, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listener, err := Listen(socket)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { k.local.Serve(ctx, listener) })
	services := append(k.resident.Services(), Service{"ring keeper", k.ring.Run}, Service{"keys", k.reread}, Service{"feeling", k.feel})
	if k.charge.Profile.Agent.Notify {
		services = append(services, Service{"notices", k.notice})
	}
	for _, s := range services {
		all.Go(func() { k.serve(ctx, s) })
	}
	n.Beat(ctx, func() string { return k.Status().Verdict })
	return nil
}

// againAfter is the pause before a service that ended is started again.
const againAfter = 5 * time.Second

func (k *Keeper) serve(ctx context.Context, s Service) {
	for {
		err := s.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		k.note(fmt.Sprintf("%s ended and is started again: %v", s.Name, err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(againAfter):
		}
	}
}

func (k *Keeper) note(text string) {
	k.log(text)
	k.events.add(text)
}
