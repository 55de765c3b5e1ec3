package imagebuilder

import (
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
	"ringboot/profiles/change"
)

// SeedFile is what brings a profile to a node that runs. It has no key in it:
// the node has one of its own.
func SeedFile(p *profiles.Profile, k *keyring.Keyring, node string) ([]byte, error) {
	f, err := change.NewFile(p, profiles.Seed{Version: profiles.SeedVersion, Node: node, ClusterID: profiles.ClusterID(k.CADER), Issues: issues(k)})
	if err != nil {
		return nil, err
	}
	k.SignGrown(&f.Seed, p)
	return f.Encode()
}
