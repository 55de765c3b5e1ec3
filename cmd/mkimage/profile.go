package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
)

// profileFile is looked for in the current directory when no profile is named.
const profileFile = "ringboot.yaml"

// cluster is a profile and where it came from.
type cluster struct {
	*profiles.Profile
	from string // file, or "the built-in profile"
}

// loadProfile reads the named profile, else the one of the current directory,
// else the built-in one, and the key files that it names.
func loadProfile(name string) (cluster, error) {
	c := cluster{from: name}
	if name == "" {
		if _, err := os.Stat(profileFile); err == nil {
			c.from = profileFile
		}
	}
	if c.from == "" {
		c.Profile, c.from = profiles.Default(), "the built-in profile"
	} else {
		text, err := os.ReadFile(c.from)
		if err != nil {
			return c, fmt.Errorf("profile: %w: write one with mkimage init", err)
		}
		if c.Profile, err = profiles.Load(c.from, text); err != nil {
			return c, err
		}
	}
	if err := c.Resolve(readKeyFile); err != nil {
		return c, &exit{exitProfile, fmt.Errorf("%s: %w", c.from, err)}
	}
	return c, nil
}

func readKeyFile(name string) ([]byte, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		name = filepath.Join(home, rest)
	}
	return os.ReadFile(name)
}

// builderKeys are the public SSH keys of whoever builds.
func builderKeys() []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(home, ".ssh", "*.pub"))
	if err != nil {
		return nil
	}
	slices.Sort(files)
	var keys []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			// Certificates and FIDO resident stubs are not for authorized_keys.
			if kind, _, _ := strings.Cut(line, " "); strings.HasPrefix(kind, "ssh-") && !strings.Contains(kind, "-cert-") || strings.HasPrefix(kind, "ecdsa-sha2-") || strings.HasPrefix(kind, "sk-ssh-") {
				keys = append(keys, line)
			}
		}
	}
	return keys
}

// keyringDir is where the cluster's secrets lie.
func (c cluster) keyringDir() (string, error) {
	dir, err := keyring.Dir(c.Cluster.Name, os.Getenv)
	if err != nil {
		return "", &exit{exitPrecondition, err}
	}
	return dir, nil
}

// complete adds what the builder knows and opens the keyring. It tells what it made.
func (c cluster) complete(ctx context.Context, t *terminal) (*keyring.Keyring, error) {
	dir, err := c.keyringDir()
	if err != nil {
		return nil, err
	}
	k, keys, err := imagebuilder.Complete(ctx, c.Profile, dir, builderKeys())
	if err != nil {
		return nil, err
	}
	for _, made := range k.Made {
		t.say("made: %s (in %s)", made, dir)
	}
	switch keys {
	case imagebuilder.KeysOfBuilder:
		t.say("log in as %s with the SSH keys of ~/.ssh: the profile names none", names(c.Users))
	case imagebuilder.KeysMade:
		t.say("log in as %s with %s: neither the profile nor ~/.ssh has a key", names(c.Users), filepath.Join(dir, "id_ed25519"))
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
		return nil, usage("--node and --all exclude each other")
	}
	if rootDisk != "" && node == "" {
		return nil, usage("--root-disk names the disk of one machine: it needs --node")
	}
	if all {
		var out []string
		for _, n := range c.Nodes {
			out = append(out, n.Name)
		}
		return out, nil
	}
	for i := range c.Nodes {
		if c.Nodes[i].Name != node {
			continue
		}
		if rootDisk != "" {
			c.Nodes[i].RootDisk = profiles.Disk{Serial: rootDisk}
		}
		return []string{node}, nil
	}
	var known []string
	for _, n := range c.Nodes {
		known = append(known, n.Name)
	}
	if node == "" {
		return nil, usage("which node? --node %s, or --all", strings.Join(known, ", --node "))
	}
	return nil, usage("node %q is not in %s, which has %s", node, c.from, strings.Join(known, ", "))
}

// newInit writes the commented profile.
func newInit(t *terminal) *cobra.Command {
	var schema, force bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented profile to edit",
		Example: "  mkimage init                     # writes " + profileFile + ", which is used from then on\n" +
			"  mkimage init lab.yaml\n  mkimage init --schema >ringboot.schema.json   # for editors",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				_, err := t.stdout.Write(profiles.Schema())
				return err
			}
			name := profileFile
			if len(args) > 0 {
				name = args[0]
			}
			if !force {
				if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
					return &exit{exitRefused, fmt.Errorf("%s is there already: --force overwrites it", name)}
				}
			}
			if err := writeWhole(name, profiles.DefaultText(), 0o644); err != nil {
				return err
			}
			t.say("wrote %s: edit it, then look at mkimage plan", name)
			return nil
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of profiles instead")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a file that is there")
	return cmd
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
