package base

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"ringboot/firstboot/host"
	"ringboot/profiles"
	"ringboot/profiles/change"
)

// nextFile holds seed and profile while the two are replaced. Once it is there,
// it is what counts: after a power cut a node has the old pair or the new one.
const nextFile = profiles.SeedDir + "/next.json"

// laid is a file system with other files over it.
type laid struct {
	host.Files
	over map[string][]byte
}

func (l laid) ReadFile(path string) ([]byte, error) {
	if text, ok := l.over[path]; ok {
		return text, nil
	}
	return l.Files.ReadFile(path)
}

// Laid is the node's file system as it would be with another profile.
func Laid(files host.Files, f change.File) (host.Files, error) {
	seed, err := seedText(f.Seed)
	if err != nil {
		return nil, err
	}
	// An earlier one that was placed by half is behind this one.
	next, err := f.Encode()
	if err != nil {
		return nil, err
	}
	return laid{files, map[string][]byte{nextFile: next, profiles.SeedFile: seed, profiles.ProfileFile: []byte(f.Profile)}}, nil
}

// placed is the file system as it is with what was placed by half.
func placed(files host.Files) (host.Files, error) {
	next, err := readNext(files)
	if err != nil || next == nil {
		return files, err
	}
	return Laid(files, *next)
}

func readNext(files host.Files) (*change.File, error) {
	text, err := files.ReadFile(nextFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, _, err := change.Parse(nextFile, text)
	return &f, err
}

// Merge is a file for this node with what the node knows better: how it is
// driven, and which vouchers are the newest.
func (own *Own) Merge(f change.File) change.File {
	seed := own.Seed
	seed.Plan, seed.Grown, seed.Issues = f.Seed.Plan, f.Seed.Grown, maps.Clone(own.Seed.Issues)
	for node, issue := range f.Seed.Issues {
		if issue > seed.Issues[node] {
			if seed.Issues == nil {
				seed.Issues = map[string]int{}
			}
			seed.Issues[node] = issue
		}
	}
	f.Seed = seed
	return f
}

// Place puts a profile and its seed in the place of the node's own. After a
// power cut there are the old ones or the new ones.
func Place(files host.Files, f change.File) error {
	text, err := f.Encode()
	if err != nil {
		return err
	}
	if err := files.WriteFile(nextFile, text, 0o600); err != nil {
		return fmt.Errorf("put the profile in place: %w", err)
	}
	return FinishPlacing(files)
}

// FinishPlacing ends what a power cut has left by half.
func FinishPlacing(files host.Files) error {
	next, err := readNext(files)
	if err != nil || next == nil {
		return err
	}
	seed, err := seedText(next.Seed)
	if err == nil {
		err = errors.Join(files.WriteFile(profiles.ProfileFile, []byte(next.Profile), 0o600), files.WriteFile(profiles.SeedFile, seed, 0o600))
	}
	if err == nil {
		err = files.Sync()
	}
	if err == nil {
		err = files.Remove(nextFile)
	}
	if err != nil {
		return fmt.Errorf("put the profile in place: %w", err)
	}
	return nil
}

func seedText(s profiles.Seed) ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}
