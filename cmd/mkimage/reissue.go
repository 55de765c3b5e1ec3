package main

import (
	"context"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles/fault"
)

func newReissue(t *cli.Terminal) *cobra.Command {
	var profile string
	cmd := &cobra.Command{
		Use:   "reissue NODE",
		Short: "Make a newer voucher for a node, so that its older sticks are worth nothing",
		Long: `Make a newer voucher for a node, so that its older sticks are worth nothing.

A stick lets a machine become its node once. When it was lost before the evening,
reissue it and make the images of all nodes again: they refuse the older one.
When a machine is replaced later, reissue it, make its stick, and admit it on a
member (firstboot admit NODE).`,
		Example: "  mkimage reissue russell && mkimage --node russell",
		Args:    cli.One("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadProfile(t, profile)
			if err != nil {
				return err
			}
			if _, ok := c.Node(args[0]); !ok {
				return c.unknown(args[0])
			}
			dir, err := c.keyringDir()
			if err != nil {
				return err
			}
			if !keyring.Exists(dir) {
				return fault.Precondition.Errorf("cluster %s has no keyring at %s: the first image makes it, and there is no older stick", c.Cluster.Name, dir)
			}
			n, err := keyring.Reissue(cmd.Context(), dir, args[0])
			if err != nil {
				return err
			}
			t.Say("the next image of %s carries voucher %d; every stick of it from before is refused as soon as the others know: before the evening make all images again, later make its stick (mkimage --node %[1]s) and admit it on a member", args[0], n)
			return nil
		},
	}
	cmd.ValidArgsFunction = cli.Offer(func(context.Context) []string { return nodeNames(t, profile) })
	cmd.Flags().StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	return cmd
}
