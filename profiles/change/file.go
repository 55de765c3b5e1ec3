package change

import (
	"encoding/json"
	"fmt"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// FileVersion is the form of the file that brings a profile to a running node.
// A newer one is refused.
const FileVersion = 1

// MaxFile bounds such a file, bytes.
const MaxFile = 4 << 20

// File is what mkimage writes for a node that runs. It holds no key: the node
// has its own. It does hold hashes of passwords.
type File struct {
	Version int           `json:"version"`
	Seed    profiles.Seed `json:"seed"`
	Profile string        `json:"profile"` // YAML
}

// NewFile makes the file of a node. The profile must be complete.
func NewFile(p *profiles.Profile, seed profiles.Seed) (File, error) {
	text, err := profiles.Marshal(p)
	if err != nil {
		return File{}, err
	}
	if seed.Plan, err = p.PlanHashes(seed.Node); err != nil {
		return File{}, err
	}
	return File{FileVersion, seed, string(text)}, nil
}

// Encode is the file's text.
func (f File) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the profile of %s: %w", f.Seed.Node, err)
	}
	return append(text, '\n'), nil
}

// Parse reads such a file, and the profile in it. name is what messages call it.
func Parse(name string, text []byte) (File, *profiles.Profile, error) {
	var f File
	again := func(why any) error {
		return fault.Precondition.Errorf("%s is no profile for a node (%v): write it with mkimage seed", name, why)
	}
	if len(text) > MaxFile {
		return f, nil, again(fmt.Sprintf("it is larger than %d bytes", MaxFile))
	}
	if err := json.Unmarshal(text, &f); err != nil {
		if _, err := profiles.Load(name, text); err == nil {
			return f, nil, again("it is a profile as mkimage reads it")
		}
		return f, nil, again(err)
	}
	switch {
	case f.Version > FileVersion:
		return f, nil, fault.Precondition.Errorf("%s has version %d and this agent reads up to %d: update the agent first, or write it with the mkimage of this version", name, f.Version, FileVersion)
	case f.Version < 1 || f.Seed.Version != profiles.SeedVersion:
		return f, nil, again(fmt.Sprintf("version %d, of the seed %d", f.Version, f.Seed.Version))
	}
	p, err := profiles.Load(name, []byte(f.Profile))
	if err != nil {
		return f, nil, fault.Profile.Wrap(err)
	}
	plan, err := p.PlanHashes(f.Seed.Node)
	if err != nil {
		return f, nil, again(err)
	}
	if plan != f.Seed.Plan {
		return f, nil, again("it was changed after it was written")
	}
	return f, p, nil
}
