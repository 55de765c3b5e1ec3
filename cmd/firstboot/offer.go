package main

import (
	"os"
	"slices"

	"ringboot/profiles"
)

// nodesOf are the nodes of this machine's profile, for a shell that completes.
func nodesOf(t *terminal) []string {
	text, err := os.ReadFile(t.root + profiles.ProfileFile)
	if err != nil {
		return nil
	}
	p, err := profiles.Load(profiles.ProfileFile, text)
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range p.Nodes {
		out = append(out, n.Name)
	}
	return out
}

// others are those but for this one.
func others(t *terminal) []string {
	host, _ := os.Hostname() // without one, all are others
	return slices.DeleteFunc(nodesOf(t), func(name string) bool { return name == host })
}
