package step

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
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
	Status func() trust.Status

	mu       sync.Mutex
	versions map[string]string
	read     time.Time
}

// Read returns the facts of this moment.
func (f *LocalFacts) Read(ctx context.Context) (trust.Facts, error) {
	out := trust.Facts{Node: f.Seed.Node, ClusterID: f.Seed.ClusterID, PlanCluster: f.Seed.Plan.Cluster, PlanNode: f.Seed.Plan.Node}
	var err error
	if out.Versions, err = f.readVersions(ctx); err != nil {
		return out, err
	}
	boot, err := readOptional(f.Host.Files, "/proc/sys/kernel/random/boot_id")
	if err != nil {
		return out, err
	}
	out.BootID = strings.TrimSpace(string(boot))
	out.Synced = synced(ctx, f.Host)
	if out.Cluster, err = clusterName(f.Host.Files); err != nil {
		return out, err
	}
	if out.Guests, err = guests(f.Host.Files, f.Seed.Node); err != nil {
		return out, err
	}
	status := f.Status()
	for _, s := range status.Plans {
		if s.State == Done.String() {
			out.Ready = append(out.Ready, s.Name)
		}
	}
	for _, p := range status.Peers {
		if p.Trusted.OK {
			out.Trusts = append(out.Trusts, p.Node)
		}
	}
	out.Time = f.Host.Clock.Now() // last: the peer compares clocks with it
	return out, nil
}

func (f *LocalFacts) readVersions(ctx context.Context) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.Host.Clock.Now(); f.versions == nil || now.Sub(f.read) > versionsKeep || now.Before(f.read) {
		text, err := host.Run(ctx, f.Host.Commands, host.Cmd{Argv: []string{"pveversion", "-v"}, ReadOnly: true})
		if err != nil {
			return nil, fmt.Errorf("versions of this node: %w", err)
		}
		f.versions = parseVersions(text)
		f.versions[versionAgent] = f.Agent
		f.read = now
	}
	out := map[string]string{}
	for k, v := range f.versions {
		out[k] = v
	}
	return out, nil
}

// parseVersions reads the output of pveversion -v:
//
//	proxmox-ve: 9.2.0 (running kernel: 6.17.2-1-pve)
//	pve-manager: 9.2.11 (running version: 9.2.11/...)
func parseVersions(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		version, _, _ := strings.Cut(rest, " ")
		switch name {
		case versionManager, versionCorosync:
			out[name] = version
		}
		if _, kernel, ok := strings.Cut(rest, "running kernel: "); ok {
			out[versionKernel] = strings.TrimSuffix(kernel, ")")
		}
	}
	return out
}

// synced asks systemd, which knows for chrony and for timesyncd.
func synced(ctx context.Context, h host.Host) bool {
	r, err := h.Commands.Run(ctx, host.Cmd{Argv: []string{"timedatectl", "show", "-p", "NTPSynchronized", "--value"}, ReadOnly: true, Timeout: 5 * time.Second})
	return err == nil && strings.TrimSpace(string(r.Stdout)) == "yes"
}

// clusterName is the name of the Proxmox cluster that this node is in, or "".
func clusterName(files host.Files) (string, error) {
	for _, file := range []string{"/etc/pve/corosync.conf", "/etc/corosync/corosync.conf"} {
		text, err := readOptional(files, file)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_name:"); ok {
				return strings.TrimSpace(name), nil
			}
		}
	}
	return "", nil
}

// guests counts the machines and containers that live on the node.
func guests(files host.Files, node string) (int, error) {
	n := 0
	for _, kind := range []string{"qemu-server", "lxc"} {
		dir := path.Join("/etc/pve/nodes", node, kind)
		if !host.Exists(files, dir) {
			continue
		}
		entries, err := files.ReadDir(dir)
		if err != nil {
			return 0, fmt.Errorf("count guests: %w", err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") {
				n++
			}
		}
	}
	return n, nil
}

// missingSteps are the names in want that are not in have.
func missingSteps(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(s string) bool { return slices.Contains(have, s) })
}
