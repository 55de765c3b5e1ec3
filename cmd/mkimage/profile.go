package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/spelling"
)

// profileFile is looked for in the current directory when no profile is named.
const profileFile = imagebuilder.ProfileFile

// cluster is a profile and where it came from.
type cluster struct {
	*profiles.Profile
	from string // file, or "the built-in profile"
	// machine is the inventory that a plan is held against; nil without one.
	machine *answer.Inventory
}

// loadProfile reads the named profile, else the one of the current directory,
// else the built-in one, and the key files that it names.
func loadProfile(t *cli.Terminal, name string) (cluster, error) {
	p, from, err := imagebuilder.ReadProfile(name, t.ReadFile)
	c := cluster{Profile: p, from: from}
	if err != nil {
		return c, err
	}
	if err := c.Resolve(imagebuilder.ReadKeyFile); err != nil {
		return c, fault.Profile.Errorf("%s: %w", c.from, err)
	}
	return c, nil
}

// keyringDir is where the cluster's secrets lie.
func (c cluster) keyringDir() (string, error) {
	dir, err := keyring.Dir(c.Cluster.Name, os.Getenv)
	if err != nil {
		return "", fault.Precondition.Wrap(err)
	}
	return dir, nil
}

// complete adds what the builder knows and opens the keyring. It tells what it made.
func (c cluster) complete(ctx context.Context, t *cli.Terminal) (*keyring.Keyring, error) {
	dir, err := c.keyringDir()
	if err != nil {
		return nil, err
	}
	own := ownKeys()
	k, keys, err := imagebuilder.Complete(ctx, c.Profile, dir, own.lines)
	if err != nil {
		return nil, err
	}
	for _, made := range k.Made {
		t.Say("made: %s (in %s)", made, dir)
	}
	if keys != imagebuilder.KeysOfProfile {
		for _, file := range own.broken {
			t.Say("left out: %s is no OpenSSH public key", file)
		}
	}
	switch keys {
	case imagebuilder.KeysOfBuilder:
		t.Say("log in as %s with the SSH keys of ~/.ssh: the profile names none", names(c.Users))
	case imagebuilder.KeysMade:
		t.Say("log in as %s with %s: neither the profile nor ~/.ssh has a key", names(c.Users), filepath.Join(dir, "id_ed25519"))
	}
	return k, nil
}

func names(users []profiles.User) string {
	var out []string
	for _, u := range users {
		out = append(out, u.Name)
	}
	return strings.Join(out, " or ")
}

// choose returns the nodes that flags ask for, with the disk that one of them names.
func (c cluster) choose(node string, all bool, rootDisk string) ([]string, error) {
	if all && node != "" {
		return nil, fault.Usage.Errorf("--node and --all exclude each other")
	}
	if rootDisk != "" && node == "" {
		return nil, fault.Usage.Errorf("--root-disk names the disk of one machine: it needs --node")
	}
	if all {
		return c.nodeNames(), nil
	}
	for i := range c.Nodes {
		if c.Nodes[i].Name != node {
			continue
		}
		if rootDisk != "" {
			c.Nodes[i].RootDisk = profiles.DiskName{Serial: rootDisk}
		}
		return []string{node}, nil
	}
	if node == "" {
		return nil, fault.Usage.Errorf("which node? --node %s, or --all", strings.Join(c.nodeNames(), ", --node "))
	}
	return nil, c.unknown(node)
}

func (c cluster) nodeNames() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, n.Name)
	}
	return out
}

// unknown is the error of a node that the profile does not have.
func (c cluster) unknown(node string) error {
	if near := spelling.Nearest(node, c.nodeNames()); near != "" {
		return fault.Usage.Errorf("node %q is not in %s: did you mean %s?", node, c.from, near)
	}
	return fault.Usage.Errorf("node %q is not in %s, which has %s", node, c.from, strings.Join(c.nodeNames(), ", "))
}

// writeWhole replaces a file as a whole: whoever reads it sees the old or the new.
func writeWhole(name string, content []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
