package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
	"ringboot/profiles/spelling"
)

const methodProof = "cluster.proof" // what corosync and pmxcfs of the node really do

// Proof is the step that proves the cluster: every node sees every node, both
// links of every pair carry, every pmxcfs is a member. Then the first node
// writes, once, what belongs to the cluster: users, rights, options, notes.
type Proof struct {
	o    Options
	node pve.Local
	c    *Cluster // for its view
}

// NewProof returns the step.
func NewProof(o Options) *Proof {
	return &Proof{o: o, node: pve.Local{Host: o.Host, Name: o.Node}, c: New(o)}
}

// Name implements Step.
func (s *Proof) Name() string { return profiles.StepProof }

// Recheck says how long the verdict keeps.
func (s *Proof) Recheck() time.Duration { return time.Minute }

// proofView is what one node can prove.
type proofView struct {
	View    view                 `json:"view"`
	Members []string             `json:"members"` // of corosync
	Quorate bool                 `json:"quorate"` // corosync's
	Links   map[string][]linkUse `json:"links"`   // by the node at the other end
	Wrong   string               `json:"wrong,omitempty"`
}

type linkUse struct {
	Number    int    `json:"number"`
	From      string `json:"from"`
	To        string `json:"to"`
	Connected bool   `json:"connected"`
}

// Register adds the step's method to what this agent answers.
func (s *Proof) Register(r trust.Registry) {
	r.Handle(methodProof, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) { return s.prove(ctx), nil })
}

// prove asks corosync of this node.
func (s *Proof) prove(ctx context.Context) proofView {
	p := proofView{View: s.c.look(), Links: map[string][]linkUse{}}
	q, running, err := s.node.Quorum(ctx)
	if err != nil || !running {
		p.Wrong = fmt.Sprintf("corosync of %s does not answer", s.o.Node)
		return p
	}
	p.Quorate = q.Quorate
	byID := map[int]string{}
	for i, n := range s.o.Profile.Nodes {
		byID[i+1] = n.Name
	}
	for _, m := range q.Members {
		p.Members = append(p.Members, byID[m.ID])
	}
	slices.Sort(p.Members)
	neighbours, err := s.node.Neighbours(ctx)
	if err != nil {
		p.Wrong = err.Error()
		return p
	}
	for _, n := range neighbours {
		for _, l := range n.Links {
			p.Links[byID[n.ID]] = append(p.Links[byID[n.ID]], linkUse{l.Number, l.From, l.To, l.Connected})
		}
	}
	return p
}

// Check implements Step.
func (s *Proof) Check(ctx context.Context) (step.Verdict, error) {
	if v, err := s.members(ctx); err != nil || v.State != step.Done {
		return v, err
	}
	return s.once(ctx)
}

// Standing is the proof as later steps ask for it. On a node that was finished
// once they ask for the members alone: users, options and notes are its owner's
// since, and whatever he made of them keeps no other step back.
type Standing struct{ *Proof }

// Check implements Step.
func (s Standing) Check(ctx context.Context) (step.Verdict, error) {
	if mark, err := settled.Read(s.o.Host.Files); err != nil || mark != nil {
		return s.members(ctx)
	}
	return s.Proof.Check(ctx)
}

// members says whether all nodes are proven members.
func (s *Proof) members(ctx context.Context) (step.Verdict, error) {
	own := s.prove(ctx)
	all := map[string]proofView{s.o.Node: own}
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var v proofView
		if err := s.c.call(ctx, short, n.Name, methodProof, nil, &v); err != nil {
			return step.Wait(decider{p: s.o.Profile, me: own.View}.unreachable(n.Name, err)), ctx.Err()
		}
		all[n.Name] = v
	}
	if why := unproven(s.o.Profile, all); why != "" {
		return step.Wait(why), nil
	}
	return step.IsDone(s.proven()), nil
}

const short = 20 * time.Second // a proof: two quick commands

// unproven is the first thing that is not as it must be. It is pure.
func unproven(p *profiles.Profile, all map[string]proofView) string {
	var everyone []string
	for _, n := range p.Nodes {
		everyone = append(everyone, n.Name)
	}
	slices.Sort(everyone)
	first := all[p.Nodes[0].Name].View
	for _, n := range p.Nodes {
		v := all[n.Name]
		switch {
		case v.Wrong != "":
			return v.Wrong
		case v.View.unsettled(p.Cluster.Name) != "":
			return v.View.unsettled(p.Cluster.Name)
		case !v.Quorate || !slices.Equal(v.Members, everyone):
			return fmt.Sprintf("corosync of %s sees %s only, of %s", n.Name, list(v.Members), list(everyone))
		case !slices.Equal(v.View.Synced, everyone):
			return fmt.Sprintf("/etc/pve of %s is synchronised with %s only, of %s", n.Name, list(v.View.Synced), list(everyone))
		case v.View.Sum != first.Sum || v.View.HostSum != first.Sum:
			return fmt.Sprintf("the corosync.conf of %s and %s differ: restart pve-cluster on the one with the lower config_version", p.Nodes[0].Name, n.Name)
		case v.View.Key != first.Key:
			return fmt.Sprintf("the corosync keys of %s and %s differ", p.Nodes[0].Name, n.Name)
		}
	}
	for _, n := range p.Nodes {
		for _, o := range p.Others(n.Name) {
			if why := deadLink(p, n, o, all[n.Name].Links[o.Name]); why != "" {
				return why
			}
		}
	}
	return ""
}

// deadLink names a corosync link between two nodes that does not carry.
func deadLink(p *profiles.Profile, n, o profiles.Node, uses []linkUse) string {
	remedy := []string{"check the management network between them", "check the ring's cables and the step ring"}
	far := p.Links(o)
	for i, near := range p.Links(n) {
		ok := slices.ContainsFunc(uses, func(l linkUse) bool {
			return l.Number == i && l.From == near.String() && l.To == far[i].String() && l.Connected
		})
		if !ok {
			return fmt.Sprintf("corosync link %d from %s (%s) to %s (%s) does not carry: %s", i, n.Name, near, o.Name, far[i], remedy[i])
		}
	}
	return ""
}

// Notes of the cluster, in the datacenter's description. The plan's hash in it
// says that all that is written once has been written.
func (s *Proof) notes() string {
	return fmt.Sprintf("Cluster %s, formed by Ringboot.\n\nPlan: %s", s.o.Profile.Cluster.Name, s.o.Plan)
}

const datacenterFile = pve.Dir + "/datacenter.cfg"

// once says how far the cluster-wide settings are: the first node writes them,
// the others wait for the notes, which come last.
func (s *Proof) once(ctx context.Context) (step.Verdict, error) {
	if Heir(s.o.Host.Files) {
		return step.IsDone(s.proven()), nil
	}
	founder := s.o.Profile.Nodes[0].Name
	raw, _ := s.o.Host.Files.ReadFile(datacenterFile)
	noted := strings.Contains(string(raw), s.o.Plan)
	if s.o.Node != founder {
		if !noted {
			return step.Wait(fmt.Sprintf("waits for %s to write users and options of %s", founder, s.o.Profile.Cluster.Name)), nil
		}
		return step.IsDone(s.proven()), nil
	}
	changes, err := s.missing(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	if len(changes) > 0 {
		return step.Do(fmt.Sprintf("writes users and options of %s", s.o.Profile.Cluster.Name), changes...), nil
	}
	return step.IsDone(s.proven()), nil
}

func (s *Proof) proven() string {
	over := "both links"
	if len(s.o.Profile.Links(s.o.Profile.Founder())) == 1 {
		over = "their one link"
	}
	return fmt.Sprintf("%d nodes see each other over %s, /etc/pve is the same on all", len(s.o.Profile.Nodes), over)
}

// missing lists what of the cluster-wide settings is not there yet.
func (s *Proof) missing(ctx context.Context) ([]step.Change, error) {
	users, err := s.node.Users(ctx)
	if err != nil {
		return nil, err
	}
	rights, err := s.node.ACL(ctx)
	if err != nil {
		return nil, err
	}
	var todo []step.Change
	for _, u := range s.o.Profile.Users {
		id := u.Name + "@pam"
		if !slices.Contains(users, id) {
			todo = append(todo, step.Change{Object: "user " + id, Want: "present"})
		}
		if u.ProxmoxRole != "" && !slices.Contains(rights, pve.Right{Path: "/", User: id, Role: u.ProxmoxRole}) {
			todo = append(todo, step.Change{Object: "acl / " + id, Want: u.ProxmoxRole})
		}
	}
	rules, err := s.firewallMissing()
	if err != nil {
		return nil, err
	}
	if len(rules) > 0 {
		todo = append(todo, step.Change{Object: firewallObject, Have: "without " + list(rules), Want: "whole"})
	}
	have, err := s.node.Options(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range s.options() {
		if got := fmt.Sprint(have[o.Object]); got != o.Want && !(o.Object == "description" && strings.Contains(got, o.Want)) {
			if have[o.Object] == nil {
				got = ""
			}
			todo = append(todo, step.Change{Object: o.Object, Have: got, Want: o.Want})
		}
	}
	return todo, nil
}

// options are the datacenter options of this step, the notes last.
func (s *Proof) options() []step.Change {
	var list []step.Change
	if k := s.o.Profile.Cluster.Keyboard; k != "" {
		list = append(list, step.Change{Object: "keyboard", Want: spelling.ClusterKeyboard(k)})
	}
	if m := s.o.Profile.Cluster.Mail; spelling.MailSender(m) {
		list = append(list, step.Change{Object: "email_from", Want: m})
	}
	if proxy := s.o.Profile.Proxmox.Proxy; proxy != "" {
		list = append(list, step.Change{Object: "http_proxy", Want: proxy})
	}
	return append(list, step.Change{Object: "description", Want: s.notes()})
}

// Apply implements Step.
func (s *Proof) Apply(ctx context.Context) error {
	if s.o.Node != s.o.Profile.Nodes[0].Name || Heir(s.o.Host.Files) {
		return nil
	}
	todo, err := s.missing(ctx)
	if err != nil {
		return err
	}
	options := map[string]string{}
	for _, c := range todo {
		kind, rest, _ := strings.Cut(c.Object, " ")
		switch kind {
		case "user":
			err = s.node.AddUser(ctx, rest)
		case "firewall":
			err = s.writeFirewall()
		case "acl":
			_, id, _ := strings.Cut(rest, " ")
			err = s.node.Grant(ctx, pve.Right{Path: "/", User: id, Role: c.Want})
		default:
			options[c.Object] = c.Want
		}
		if err != nil {
			return err
		}
	}
	if len(options) > 0 {
		if err := s.node.SetOptions(ctx, options); err != nil {
			return err
		}
	}
	if left, err := s.missing(ctx); err != nil {
		return err
	} else if len(left) > 0 {
		return errors.New(left[0].Object + " was set and is not there")
	}
	s.c.kickPeers(ctx)
	return nil
}
