package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles/fault"
)

// account is one password, as --json says it.
type account struct {
	Node     string `json:"node"` // empty: on all nodes
	User     string `json:"user"`
	Password string `json:"password"`
}

func newSecrets(t *cli.Terminal) *cobra.Command {
	var profile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "secrets",
		Short:   "Show the passwords that mkimage invented, and where the keys lie",
		Long:    "secrets prints passwords in clear. They lie on this computer only; the images hold their hashes.",
		Example: "  mkimage secrets\n  mkimage secrets --profile lab.yaml --json",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadProfile(t, profile)
			if err != nil {
				return err
			}
			dir, err := c.keyringDir()
			if err != nil {
				return err
			}
			if !keyring.Exists(dir) {
				return fault.Precondition.Errorf("cluster %s has no keyring at %s: the first image makes it", c.Cluster.Name, dir)
			}
			k, err := c.complete(cmd.Context(), t)
			if err != nil {
				return err
			}
			return showSecrets(t, c, k, asJSON)
		},
	}
	cmd.Flags().StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

func showSecrets(t *cli.Terminal, c cluster, k *keyring.Keyring, asJSON bool) error {
	var accounts []account
	for _, n := range c.Nodes {
		accounts = append(accounts, account{n.Name, "root", k.Nodes[n.Name].RootPassword})
	}
	for _, u := range c.Users {
		// A hash that the profile brought is not ours to show.
		if made, ok := k.Passwords[u.Name]; ok && made.Hash == u.PasswordHash {
			accounts = append(accounts, account{"", u.Name, made.Clear})
		}
	}
	operator := []string{filepath.Join(k.Dir, "operator.crt"), filepath.Join(k.Dir, "operator.key")}
	if asJSON {
		return cli.JSON(t.Stdout, struct {
			Version  int       `json:"version"`
			Keyring  string    `json:"keyring"`
			Accounts []account `json:"accounts"`
			Operator []string  `json:"operator"`
			SSHKey   string    `json:"ssh_key,omitempty"`
		}{1, k.Dir, accounts, operator, sshKey(k)})
	}
	for _, a := range accounts {
		where := a.Node
		if where == "" {
			where = "all nodes"
		}
		fmt.Fprintf(t.Stdout, "%-14s %-10s %s\n", where, a.User, a.Password)
	}
	fmt.Fprintf(t.Stdout, "%-14s %s\n", "keyring", k.Dir)
	for _, f := range slices.Concat(operator, []string{sshKey(k)}) {
		if f != "" {
			fmt.Fprintf(t.Stdout, "%-14s %s\n", "file", f)
		}
	}
	return nil
}

func sshKey(k *keyring.Keyring) string {
	if k.SSHPublic == "" {
		return ""
	}
	return filepath.Join(k.Dir, "id_ed25519")
}
