// Package management holds the step management: a redundant bond under vmbr0,
// applied with a timed roll-back.
//
// It touches what the profile names and nothing else of the network; the ring
// belongs to ringup and ring.
package management

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

const (
	probeFor   = 30 * time.Second // after a change, as long as spanning trees and switches take
	probePause = time.Second
	// retryAfter is how long the old network is left alone after a roll-back.
	retryAfter = 5 * time.Minute
)

// Management is step 3: the management ports as an active-backup bond under
// the bridge. A change is applied on trial and kept only when the gateway or a
// peer answers through it.
type Management struct {
	host    host.Host
	profile *profiles.Profile
	node    profiles.Node

	failed    string // why the last trial was rolled back
	again     time.Time
	complaint string // what ifreload said of a network that came up as written all the same
}

// New returns step 3.
func New(h host.Host, p *profiles.Profile, node profiles.Node) *Management {
	return &Management{host: h, profile: p, node: node}
}

// Name is "management".
func (*Management) Name() string { return profiles.StepManagement }

// Recheck says that the verdict keeps for a minute.
func (*Management) Recheck() time.Duration { return time.Minute }

// aim is what the network is and should be.
type aim struct {
	ports []Link
	have  []byte
	want  string
	edits []edit // what is new in it
}

func (a aim) names() []string {
	var out []string
	for _, l := range a.ports {
		out = append(out, l.Name)
	}
	return out
}

// target reads the machine and decides. An error that wraps errPorts is for a person.
func (s *Management) target() (aim, error) {
	links, err := physicalLinks(s.host.Files)
	if err != nil {
		return aim{}, err
	}
	ports, err := choosePorts(links, s.profile, s.node)
	if err != nil {
		return aim{}, err
	}
	for _, l := range ports {
		if l.Master != "" && l.Master != bondName && l.Master != bridgeName {
			return aim{}, stopPorts("%s belongs to %s already: free it there, or name another port in nodes[].ports of %s", l.Name, l.Master, s.node.Name)
		}
	}
	if len(ports) == 1 && !s.profile.Management.AllowSinglePort {
		return aim{}, stopPorts("only one port, %s: name a second one in nodes[].ports of %s, or set management.allow_single_port to true", ports[0], s.node.Name)
	}
	a := aim{ports: ports}
	if a.have, err = host.ReadOptional(s.host.Files, interfacesFile); err != nil {
		return aim{}, err
	}
	if other := foreignBond(string(a.have), a.names()); other != "" {
		return aim{}, stopPorts("%s is a bond of other ports already (%s): give it another name, or set management.keep to true and make the management network redundant yourself", bondName, other)
	}
	a.want, a.edits = wantInterfaces(string(a.have), s.profile, s.node, a.names())
	return a, nil
}

// Check compares file and kernel with the profile.
func (s *Management) Check(ctx context.Context) (step.Verdict, error) {
	if host.Exists(s.host.Files, networkMarker) {
		return step.Do("a change of the network is on trial and nobody has confirmed it", step.Change{Object: interfacesFile, Want: "confirmed or rolled back"}), nil
	}
	if s.profile.Management.Keep {
		return s.kept(ctx)
	}
	a, err := s.target()
	if errors.Is(err, errPorts) {
		return step.Stop(err.Error()), nil
	}
	if err != nil {
		return step.Verdict{}, err
	}
	if host.Exists(s.host.Files, interfacesNew) {
		return step.Stop("somebody left network changes that are not applied in " + interfacesNew + ": apply or revert them in the web interface under System, Network"), nil
	}
	v := step.IsDone("")
	for _, e := range a.edits {
		v.Changes = append(v.Changes, e.change())
	}
	if len(a.edits) == 0 && string(a.have) != a.want {
		v.Changes = append(v.Changes, step.Change{Object: interfacesFile, Have: "without " + sourceLine, Want: sourceLine})
	}
	live, err := s.live(ctx, a)
	if err != nil {
		return step.Verdict{}, err
	}
	v.Changes = append(v.Changes, live...)
	v.Changes = append(v.Changes, s.pins(a)...)
	v.Risks = s.risks(a)
	if len(v.Changes) == 0 {
		v.Reason = fmt.Sprintf("%s on %s of %s", s.node.Address, s.profile.Management.Uplink(), strings.Join(a.names(), " and "))
		return v, nil
	}
	switch lines := handmade(a.edits); {
	case len(lines) > 0 && !host.Exists(s.host.Files, consentFile):
		v.State, v.Reason = step.Stopped, fmt.Sprintf("%s has lines of somebody's hand that contradict the profile: %s; keep them with management.keep: true, correct the profile, or let them go with touch %s", interfacesFile, strings.Join(lines, "; "), consentFile)
	case !slices.ContainsFunc(a.ports, func(l Link) bool { return l.Carrier }):
		v.State, v.Reason = step.Waiting, fmt.Sprintf("no cable in any management port (%s): plug one in", strings.Join(a.names(), ", "))
	case s.host.Clock.Now().Before(s.again):
		v.State, v.Reason = step.Waiting, s.failed
	default:
		v.State, v.Reason = step.Todo, "the management network is not the bond of the profile"
	}
	return v, nil
}

// kept is the verdict where the profile leaves the network to its owner.
func (s *Management) kept(ctx context.Context) (step.Verdict, error) {
	r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: []string{"ip", "-4", "-o", "addr", "show"}, ReadOnly: true})
	if err != nil {
		return step.Verdict{}, err
	}
	address := fmt.Sprintf("%s/%d", s.node.Address, s.profile.Management.Prefix.Bits())
	if !slices.Contains(strings.Fields(string(r.Stdout)), address) {
		return step.Stop(fmt.Sprintf("no port has the address %s, and management.keep leaves the network to you: set it in %s, or take management.keep out of the profile", address, interfacesFile)), nil
	}
	v := step.IsDone(address + " on a network that the profile leaves as it is")
	v.Risks = []string{"the management network is kept as it was found, by consent: nobody checked that it is redundant"}
	return v, nil
}

func (s *Management) risks(a aim) []string {
	var out []string
	if len(a.ports) == 1 {
		out = append(out, fmt.Sprintf("the management network has one port only (%s), as the profile allows", a.ports[0].Name))
	}
	if s.complaint != "" {
		out = append(out, fmt.Sprintf("the management network works, but ifupdown2 complained when it was applied: %s", s.complaint))
	}
	for _, l := range a.ports {
		if !l.Carrier && len(a.ports) > 1 {
			out = append(out, fmt.Sprintf("management port %s has no link: the management network is not redundant, check its cable", l.Name))
		}
	}
	return out
}

// live compares the kernel's bond and bridge with what they should be.
func (s *Management) live(ctx context.Context, a aim) ([]step.Change, error) {
	f := s.host.Files
	bond := netClass + "/" + bondName
	var out []step.Change
	slaves := strings.Fields(word(f, bond+"/bonding/slaves"))
	want := a.names()
	slices.Sort(slaves)
	slices.Sort(want)
	if !slices.Equal(slaves, want) {
		out = append(out, step.Change{Object: bondName, Have: "ports " + strings.Join(slaves, " "), Want: "ports " + strings.Join(want, " ")})
	}
	way := profiles.BondOf(s.profile.Management.Bond).Mode
	if mode, _, _ := strings.Cut(word(f, bond+"/bonding/mode"), " "); mode != way {
		out = append(out, step.Change{Object: bondName, Have: "mode " + mode, Want: "mode " + way})
	}
	if uplink := s.profile.Management.Uplink(); !host.Exists(f, netClass+"/"+bridgeName+"/brif/"+uplink) {
		out = append(out, step.Change{Object: bridgeName, Want: "port " + uplink})
	}
	if mtu := s.profile.Management.MTU; mtu != 0 && word(f, netClass+"/"+bridgeName+"/mtu") != strconv.Itoa(mtu) {
		out = append(out, step.Change{Object: bridgeName, Have: "MTU " + word(f, netClass+"/"+bridgeName+"/mtu"), Want: "MTU " + strconv.Itoa(mtu)})
	}
	for _, one := range []struct{ family, address string }{
		{"-4", fmt.Sprintf("%s/%d", s.node.Address, s.profile.Management.Prefix.Bits())}, {"-6", address6(s.profile.Management, s.node)},
	} {
		if one.address == "" {
			continue
		}
		have, err := liveAddresses(ctx, s.host.Commands, one.family, bridgeName)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(strings.Fields(have), one.address) {
			out = append(out, step.Change{Object: bridgeName, Want: "address " + one.address})
		}
	}
	return out, nil
}

// Apply brings the network to the profile's, on trial.
func (s *Management) Apply(ctx context.Context) error {
	a, err := s.target()
	if err != nil {
		return err
	}
	if host.Exists(s.host.Files, networkMarker) {
		if string(a.have) == a.want {
			return s.decide(ctx, a)
		}
		// Cut off before the new file was there: begin again from the old network.
		if _, err := RestoreNetwork(ctx, s.host, true); err != nil {
			return err
		}
		if a, err = s.target(); err != nil {
			return err
		}
	}
	if len(handmade(a.edits)) > 0 && !host.Exists(s.host.Files, consentFile) {
		return nil // Check names the lines
	}
	if err := s.prove(ctx, a); err != nil {
		return err
	}
	if err := s.pin(a); err != nil {
		return err
	}
	live, err := s.live(ctx, a)
	if err != nil || string(a.have) == a.want && len(live) == 0 {
		return err
	}
	if err := beginTrial(ctx, s.host, a.have); err != nil {
		return err
	}
	if err := s.host.Files.WriteFile(interfacesFile, []byte(a.want), 0o644); err != nil {
		return err
	}
	s.complaint = ""
	if err := ifreload(ctx, s.host); err != nil {
		s.complaint = err.Error()
	}
	return s.decide(ctx, a)
}

// decide keeps the configuration that is on trial if it works, else gives the
// old one back. What ifreload said proves neither: it also complains of foreign
// stanzas, and of what is its own affair.
func (s *Management) decide(ctx context.Context, a aim) error {
	wrong, err := s.live(ctx, a)
	if err != nil {
		return err
	}
	switch {
	case len(wrong) > 0 && s.complaint != "":
		return s.giveBack(ctx, s.complaint)
	case len(wrong) > 0:
		return s.giveBack(ctx, fmt.Sprintf("%s did not come up as written", wrong[0].Object))
	}
	ok, err := s.reached(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return s.giveBack(ctx, fmt.Sprintf("neither the gateway nor a peer answered through %s within %s", bondName, probeFor))
	}
	s.failed, s.again = "", time.Time{}
	if err := s.host.Files.Remove(consentFile); err != nil {
		return err
	}
	return confirm(ctx, s.host)
}

// giveBack rolls back and says why.
func (s *Management) giveBack(ctx context.Context, why string) error {
	s.complaint = ""
	if _, err := RestoreNetwork(ctx, s.host, true); err != nil {
		return fmt.Errorf("%s, and the old network could not be given back: %w", why, err)
	}
	if err := stopTimer(ctx, s.host); err != nil {
		return err
	}
	s.failed = fmt.Sprintf("the old network is back, because %s: check the cables and switch ports, and nodes[].ports of %s", why, s.node.Name)
	s.again = s.host.Clock.Now().Add(retryAfter)
	return &step.NotYet{Reason: s.failed}
}

// reached probes gateway and peers until one answers.
func (s *Management) reached(ctx context.Context) (bool, error) {
	var to []netip.Addr
	if s.profile.Management.Gateway.IsValid() {
		to = append(to, s.profile.Management.Gateway)
	}
	for _, n := range s.profile.Others(s.node.Name) {
		to = append(to, n.Address)
	}
	for end := s.host.Clock.Now().Add(probeFor); ; {
		for _, addr := range to {
			ok, err := responds(ctx, s.host.Commands, addr)
			if err != nil || ok {
				return ok, err
			}
		}
		if !s.host.Clock.Now().Before(end) {
			return false, nil
		}
		if err := s.host.Clock.Sleep(ctx, probePause); err != nil {
			return false, err
		}
	}
}

// responds sends one echo request; who is silent to that may still have
// answered ARP, which proves the network as well.
func responds(ctx context.Context, c host.Commands, to netip.Addr) (bool, error) {
	r, err := c.Run(ctx, host.Cmd{Argv: []string{"ping", "-n", "-c", "1", "-W", "1", to.String()}, ReadOnly: true, Timeout: 5 * time.Second})
	if err != nil {
		return false, err
	}
	if r.Code == 0 {
		return true, nil
	}
	r, err = c.Run(ctx, host.Cmd{Argv: []string{"ip", "neigh", "show", to.String(), "dev", bridgeName}, ReadOnly: true, Timeout: 5 * time.Second})
	return err == nil && strings.Contains(string(r.Stdout), "lladdr") && strings.Contains(string(r.Stdout), "REACHABLE"), err
}
