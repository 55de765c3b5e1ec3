package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/profiles/fault"
)

func newLeave(t *terminal) *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Take this node out of the cluster again, before the cluster carries anything",
		Long: `Take this node out of the cluster again, before the cluster carries anything.

The node is a single one afterwards; its old database of /etc/pve is kept under
/var/lib/pve-cluster/backup. It is refused once there are guests, Ceph or HA
resources. The agent goes on with its plan after that: stop it first
(systemctl disable ringboot) if the node shall not join again.`,
		Example: "  firstboot leave --yes",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return fault.Refused.New("nothing was changed: say --yes to take this node out of its cluster")
			}
			if err := firstboot.AskBuilder(cmd.Context(), t.root, "leave the cluster", firstboot.MethodLeave, nil, nil); err != nil {
				return err
			}
			t.Say("this node is in no cluster now; its old database is in /var/lib/pve-cluster/backup")
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "leave")
	return cmd
}

func newAdmit(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "admit NODE [FINGERPRINT]",
		Short: "Let a new machine take the place of a lost node",
		Long: `Let a new machine take the place of a lost node. Run it on the member that
the new machine's sentence names.

The machine comes from a stick that was issued anew (mkimage reissue NODE). The
consent is for that one node and holds for thirty minutes; with a fingerprint it
is for that one machine. The first machine that comes takes it. On a settled
cluster the builders of the other nodes are called back, to answer it.`,
		Example: "  firstboot admit wittgenstein\n  firstboot admit wittgenstein Zk3qv0bXm1aY7c2d",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return cli.One("NODE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var a firstboot.Admitted
			if err := firstboot.AskBuilder(cmd.Context(), t.root, "admit "+args[0], firstboot.MethodAdmit, strings.Join(args, " "), &a); err != nil {
				return err
			}
			switch {
			case a.Until.IsZero():
				t.Say("consent given: for half an hour this node hands the cluster's key to a new %s, once; boot it with its stick, and watch with firstboot peers", args[0])
			case a.Waits != "":
				t.Say("consent given until %s: the machine with the key %s, which waits, takes the place of %s", a.Until.Local().Format("15:04"), a.Waits, args[0])
			default:
				t.Say("consent given until %s: boot the new %s with its new stick, and watch with firstboot peers", a.Until.Local().Format("15:04"), args[0])
			}
			for _, why := range a.Missing {
				t.Say("%s", why)
			}
			return nil
		},
		ValidArgsFunction: cli.Offer(func(context.Context) []string { return others(t) }),
	}
}

func newRevoke(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NODE|FINGERPRINT",
		Short: "Take the key of a node away, on all nodes",
		Long: `Take the key of a node away, on all nodes. Run it on another member.

From then on nothing that has this key is heard or believed, also not the
machine itself, until another one is admitted with a newer stick. The members
of the Proxmox cluster stay as they are.`,
		Example: "  firstboot revoke wittgenstein",
		Args:    cli.One("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var node string
			if err := firstboot.AskBuilder(cmd.Context(), t.root, "revoke "+args[0], firstboot.MethodRevoke, args[0], &node); err != nil {
				return err
			}
			t.Say("the key of %s counts no more, here at once and on the others as they hear of it; a new stick brings it back: mkimage reissue %s", node, node)
			return nil
		},
		ValidArgsFunction: cli.Offer(func(context.Context) []string { return others(t) }),
	}
}

func newRenew(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "renew",
		Short: "Make another key of its own for this node",
		Long: `Make another key of its own for this node. The old key gives its word for it,
and counts no more afterwards. A power cut in between leaves one of the two. The
agent goes by the new key at once; the other nodes hear of it from it.`,
		Example: "  firstboot renew",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var fingerprint string
			if err := firstboot.AskBuilder(cmd.Context(), t.root, "renew", firstboot.MethodRenew, nil, &fingerprint); err != nil {
				return err
			}
			t.Say("this node has the key %s now, and goes by it", fingerprint)
			return nil
		},
	}
}
