package imagebuilder

import (
	"context"
	"slices"

	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
)

// Keys is where the administrators' SSH keys came from.
type Keys string

// Where keys came from.
const (
	KeysOfProfile Keys = "profile"
	KeysOfBuilder Keys = "builder" // ~/.ssh/*.pub of whoever builds
	KeysMade      Keys = "keyring" // a pair that mkimage made
)

// Complete adds to a resolved profile what the builder knows: SSH keys where
// the profile brings none at all, and the hashes of passwords that mkimage
// invented. The keyring is opened and gets what it lacks.
func Complete(ctx context.Context, p *profiles.Profile, dir string, builderKeys []string) (*keyring.Keyring, Keys, error) {
	from := keysFrom(p, builderKeys)
	k, err := keyring.Open(ctx, dir, keyring.Want{Profile: p, SSH: from == KeysMade})
	if err != nil {
		return nil, "", err
	}
	keys := builderKeys
	if from == KeysMade {
		keys = []string{k.SSHPublic}
	}
	for i := range p.Users {
		u := &p.Users[i]
		if from != KeysOfProfile {
			u.Keys = slices.Clone(keys)
		}
		if made, ok := k.Passwords[u.Name]; ok && u.PasswordHash == "" && u.Sudo == "password" {
			u.PasswordHash = made.Hash
		}
	}
	return k, from, nil
}

func keysFrom(p *profiles.Profile, builderKeys []string) Keys {
	if slices.ContainsFunc(p.Users, func(u profiles.User) bool { return len(u.Keys) > 0 }) {
		return KeysOfProfile
	}
	if len(builderKeys) > 0 {
		return KeysOfBuilder
	}
	return KeysMade
}
