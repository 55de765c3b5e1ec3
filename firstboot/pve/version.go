package pve

import (
	"context"
	"maps"
	"strings"
)

// Versions are those of the node's packages by name, as pveversion -v prints
// them, and under "kernel" the running kernel's.
func (s Shell) Versions(ctx context.Context) (map[string]string, error) {
	r, err := s.read(ctx, "pveversion", "-v")
	if err != nil {
		return nil, err
	}
	return ParseVersions(string(r.Stdout)), nil
}

// ParseVersions reads the output of pveversion -v:
//
//	proxmox-ve: 9.2.0 (running kernel: 6.17.2-1-pve)
//	pve-manager: 9.2.11 (running version: 9.2.11/...)
func ParseVersions(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		version, _, _ := strings.Cut(rest, " ")
		if rest == "not correctly installed" {
			continue
		}
		out[name] = version
		if _, kernel, ok := strings.Cut(rest, "running kernel: "); ok {
			out["kernel"] = strings.TrimSuffix(kernel, ")")
		}
	}
	return out
}

// OneSet are those of Versions that must be equal on all nodes, and the running
// kernel. Which kernels lie on the disk beside it depends on how old a node is.
func OneSet(all map[string]string) map[string]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return strings.HasPrefix(name, "proxmox-kernel-") || strings.HasPrefix(name, "pve-kernel-") || name == "pve-headers" || name == "proxmox-headers"
	})
	return out
}
