package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// HA sets what the cluster does when a node goes: the network of migrations,
// the policy at shutdown and the affinity rules of the profile. The stack
// itself runs on every Proxmox VE node; it begins to watch with the first guest.
type HA struct {
	o  Options
	ha pve.HA
}

// NewHA returns the step ha.
func NewHA(o Options) *HA {
	return &HA{o: o, ha: pve.HA{Shell: pve.Shell{Host: o.Host, Node: o.Node}}}
}

// Name implements Step.
func (s *HA) Name() string { return profiles.StepHA }

// Recheck says how long the verdict keeps.
func (s *HA) Recheck() time.Duration { return time.Minute }

// haWant is what the profile wants of the cluster's options.
func (s *HA) haWant() (migration, policy string) {
	// A seed of an older build says nothing of it.
	return "type=" + cmp.Or(s.o.Profile.HA.Migration, "secure") + ",network=" + s.o.Profile.Prefix(s.o.Profile.HA.MigrationNetwork).String(), "shutdown_policy=" + s.o.Profile.HA.ShutdownPolicy
}

// Check implements Step.
func (s *HA) Check(ctx context.Context) (step.Verdict, error) {
	if !s.o.Profile.HA.Enabled {
		return step.IsDone("the profile does not ask for high availability"), nil
	}
	if v, ok, err := s.o.Gate(ctx, "high availability"); err != nil || !ok {
		return v, err
	}
	dog := s.ha.Watchdog()
	if dog == "" {
		return step.Stop(fmt.Sprintf("%s has no watchdog, so a node that hangs could not be fenced: load one with modprobe softdog, or name the hardware's in /etc/default/pve-ha-manager", s.o.Node)), nil
	}
	state, err := s.ha.State(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	if !state.Quorate {
		return step.Wait("high availability waits for quorum"), nil
	}
	changes, risks, err := s.differences(ctx)
	if err != nil {
		return step.Verdict{}, err
	}
	if s.o.heir() {
		changes = nil // what differs is told by the look at drift
	}
	if strings.Contains(dog, "Software") {
		risks = append(risks, fmt.Sprintf("%s is fenced by the kernel's software watchdog: a kernel that hangs hard may not be reset by it", s.o.Node))
	}
	founder := s.o.Profile.Founder().Name
	var v step.Verdict
	switch {
	case len(changes) == 0:
		v = step.IsDone(fmt.Sprintf("guests migrate over %s and %s at shutdown, watchdog %s", s.o.Profile.NetworkTitle(s.o.Profile.HA.MigrationNetwork), PolicyWords(s.o.Profile.HA.ShutdownPolicy), dog))
	case s.o.Node != founder:
		v = step.Wait(fmt.Sprintf("waits for %s to set the options of high availability", founder))
	default:
		v = step.Do("the options of high availability are to be set", changes...)
	}
	v.Risks = risks
	return v, nil
}

func PolicyWords(policy string) string {
	switch policy {
	case "migrate":
		return "move away"
	case "freeze":
		return "wait for the node"
	case "failover":
		return "are recovered elsewhere"
	}
	return "are moved or wait, as the shutdown is meant"
}

// differences lists what is not as the profile wants it.
func (s *HA) differences(ctx context.Context) (changes []step.Change, risks []string, err error) {
	have, err := s.ha.Options()
	if err != nil {
		return nil, nil, err
	}
	migration, policy := s.haWant()
	if !have.MigrationIs(migration) {
		changes = append(changes, step.Change{Object: "option migration", Have: have.Migration, Want: migration})
	}
	if !have.HAIs(policy) {
		changes = append(changes, step.Change{Object: "option ha", Have: have.HA, Want: policy})
	}
	if len(s.o.Profile.HA.Affinity) == 0 {
		return changes, nil, nil
	}
	rules, err := s.ha.Rules(ctx)
	if err != nil {
		return nil, nil, err
	}
	managed, err := s.ha.Resources()
	if err != nil {
		return nil, nil, err
	}
	for _, a := range s.o.Profile.HA.Affinity {
		want := ruleOf(a)
		there := false
		for _, r := range rules {
			there = there || r.Name == want.Name
		}
		if there {
			continue // a rule of that name is the operator's, however it looks
		}
		if missing := unmanaged(a.Resources, managed); missing != "" {
			risks = append(risks, fmt.Sprintf("the affinity rule %s waits: %s is not under high availability", a.Name, missing))
			continue
		}
		changes = append(changes, step.Change{Object: "rule " + want.Name, Want: want.Type + " of " + want.Resources})
	}
	return changes, risks, nil
}

func unmanaged(resources, managed []string) string {
	for _, r := range resources {
		if !slices.Contains(managed, r) {
			return r
		}
	}
	return ""
}

func ruleOf(a profiles.Affinity) pve.Rule {
	return pve.Rule{Name: a.Name, Type: a.Kind + "-affinity", Resources: strings.Join(a.Resources, ","), Nodes: strings.Join(a.Nodes, ","), Affinity: a.Affinity}
}

// Apply implements Step. Only the founder writes.
func (s *HA) Apply(ctx context.Context) error {
	if s.o.Node != s.o.Profile.Founder().Name || s.o.heir() {
		return nil
	}
	changes, _, err := s.differences(ctx)
	if err != nil {
		return err
	}
	options := false
	for _, c := range changes {
		if strings.HasPrefix(c.Object, "option ") {
			options = true
		}
	}
	if options {
		have, err := s.ha.Options()
		if err != nil {
			return err
		}
		migration, policy := s.haWant()
		if err := s.ha.SetOptions(ctx, pve.Merge(have.Migration, migration), pve.Merge(have.HA, policy)); err != nil {
			return err
		}
	}
	for _, a := range s.o.Profile.HA.Affinity {
		for _, c := range changes {
			if c.Object == "rule "+a.Name {
				if err := s.ha.AddRule(ctx, ruleOf(a)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
