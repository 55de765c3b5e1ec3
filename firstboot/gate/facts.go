package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// Names of what must have the same version on all nodes.
const (
	versionManager  = "pve-manager"
	versionCorosync = "corosync"
	versionKernel   = "kernel"
	versionAgent    = "ringboot"
)

// versionsKeep is how long the answer of pveversion is good: it takes half a second of Perl.
const versionsKeep = 20 * time.Second

// LocalFacts gathers what this node says of itself to the others.
type LocalFacts struct {
	Host   host.Host
	Seed   profiles.Seed
	Agent  string // version of the agent
	Status func() status.Status
	Who    func() status.Who // nil where nobody keeps the keys
	Stuck  func() string     // why this node has no newer packages; may be nil

	mu       sync.Mutex
	versions map[string]string
	read     time.Time
}

// Read returns the facts of this moment.
func (f *LocalFacts) Read(ctx context.Context) (status.Facts, error) {
	out := status.Facts{Node: f.Seed.Node, ClusterID: f.Seed.ClusterID, PlanCluster: f.Seed.Plan.Cluster, PlanNode: f.Seed.Plan.Node, Protocol: status.Protocol}
	if f.Stuck != nil {
		out.Stuck = f.Stuck()
	}
	var err error
	if out.Versions, err = f.readVersions(ctx); err != nil {
		return out, err
	}
	boot, err := host.ReadOptional(f.Host.Files, "/proc/sys/kernel/random/boot_id")
	if err != nil {
		return out, err
	}
	out.BootID = strings.TrimSpace(string(boot))
	out.Synced = synced(ctx, f.Host)
	node := pve.Local{Host: f.Host, Name: f.Seed.Node}
	if out.Cluster, err = node.ClusterName(); err != nil {
		return out, err
	}
	guests, err := node.Guests()
	if err != nil {
		return out, fmt.Errorf("count guests: %w", err)
	}
	out.Guests = len(guests)
	now := f.Status()
	for _, s := range now.Plans {
		if s.State == step.Done.String() {
			out.Ready = append(out.Ready, s.Name)
		}
	}
	for _, p := range now.Peers {
		if p.Trusted.OK {
			out.Trusts = append(out.Trusts, p.Node)
		}
	}
	if f.Who != nil {
		out.Who = f.Who()
	}
	out.Time = f.Host.Clock.Now() // last: the peer compares clocks with it
	return out, nil
}

func (f *LocalFacts) readVersions(ctx context.Context) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.Host.Clock.Now(); f.versions == nil || now.Sub(f.read) > versionsKeep || now.Before(f.read) {
		all, err := pve.Shell{Host: f.Host, Node: f.Seed.Node}.Versions(ctx)
		if err != nil {
			return nil, fmt.Errorf("versions of this node: %w", err)
		}
		f.versions = map[string]string{versionAgent: f.Agent}
		maps.Copy(f.versions, pve.OneSet(all))
		f.read = now
	}
	return maps.Clone(f.versions), nil
}

// synced asks systemd, which knows for chrony and for timesyncd.
func synced(ctx context.Context, h host.Host) bool {
	r, err := h.Commands.Run(ctx, host.Cmd{Argv: []string{"timedatectl", "show", "-p", "NTPSynchronized", "--value"}, ReadOnly: true, Timeout: 5 * time.Second})
	return err == nil && strings.TrimSpace(string(r.Stdout)) == "yes"
}

// missingSteps are the names in want that are not in have.
func missingSteps(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(have, s) })
}
