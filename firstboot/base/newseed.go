package base

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// NewSeed describes the seed of a node that was installed by hand, or whose
// profile is another one now: profile, CA and certificate lie in place, and the
// seed file follows from them. What only the builder knows stays as the node's
// earlier seed has it.
type NewSeed struct {
	Node   string
	Driven bool
	Peers  map[string]string // public keys of the nodes' certificates, where known
}

// Want returns the content that the seed file should have. It checks the
// profile and that certificate and key are that node's, of this CA.
func (n NewSeed) Want(h host.Host) ([]byte, error) {
	text, err := h.Files.ReadFile(profiles.ProfileFile)
	if err != nil {
		return nil, fmt.Errorf("%w: put the profile there first", err)
	}
	p, err := profiles.Load(profiles.ProfileFile, text)
	if err != nil {
		return nil, err
	}
	own := Own{Profile: p, Seed: profiles.Seed{Version: profiles.SeedVersion, Node: n.Node, Peers: n.Peers, Driven: n.Driven}}
	if own.Seed.Plan, err = p.PlanHashes(n.Node); err != nil {
		return nil, fmt.Errorf("%w: it has %v", err, names(p))
	}
	caText, err := h.Files.ReadFile(profiles.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%w: put the cluster's CA there first", err)
	}
	ca, err := certificate(profiles.CAFile, caText)
	if err != nil {
		return nil, err
	}
	own.Seed.ClusterID = profiles.ClusterID(ca.Raw)
	if err := keepOf(&own.Seed, h.Files); err != nil {
		return nil, err
	}
	if err := own.loadKeys(h.Files); err != nil {
		return nil, err
	}
	return seedText(own.Seed)
}

// keepOf takes over from the earlier seed of the same node and cluster what does
// not follow from the profile.
func keepOf(s *profiles.Seed, files host.Files) error {
	text, err := files.ReadFile(profiles.SeedFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var was profiles.Seed
	if json.Unmarshal(text, &was) != nil || was.Node != s.Node || was.ClusterID != s.ClusterID {
		return nil // it is none of ours, or another node's: nothing of it counts
	}
	if s.Peers == nil {
		s.Peers = was.Peers
	}
	s.Issues, s.Practice, s.Grown = was.Issues, was.Practice, was.Grown
	s.Driven = s.Driven || was.Driven
	return nil
}

// Write brings the seed file up to date and tells whether that changed it.
// With check it changes nothing.
func (n NewSeed) Write(h host.Host, check bool) (changed bool, err error) {
	if !check {
		if err := FinishPlacing(h.Files); err != nil {
			return false, err
		}
	}
	want, err := n.Want(h)
	if err != nil {
		return false, err
	}
	have, err := h.Files.ReadFile(profiles.SeedFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if bytes.Equal(have, want) {
		return false, nil
	}
	if check {
		return true, nil
	}
	return true, h.Files.WriteFile(profiles.SeedFile, want, 0o600)
}

func names(p *profiles.Profile) []string {
	var out []string
	for _, n := range p.Nodes {
		out = append(out, n.Name)
	}
	slices.Sort(out)
	return out
}
