package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/firstboot"
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
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return &exit{exitRefused, errors.New("nothing was changed: say --yes to take this node out of its cluster")}
			}
			if err := askAgent(cmd.Context(), t, firstboot.MethodLeave, nil); err != nil {
				return err
			}
			fmt.Fprintln(t.stderr, "this node is in no cluster now")
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "leave")
	return cmd
}

func newReplace(t *terminal) *cobra.Command {
	name := ""
	cmd := &cobra.Command{
		Use:   "replace",
		Short: "Say that this machine takes the place of a lost one of the same name",
		Long: `Say that this machine takes the place of a lost one of the same name.

A node that was a member and comes back as a new installation joins again only
with this consent, or with replace: true in its profile. The old machine must
never run again: two machines of one name destroy the cluster.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := os.Hostname()
			if err != nil {
				return err
			}
			host, _, _ = strings.Cut(host, ".")
			if name == "" {
				fmt.Fprintf(t.stderr, "The old %s must never run again. Type its name to go on: ", host)
				line, _ := bufio.NewReader(t.stdin).ReadString('\n')
				name = strings.TrimSpace(line)
			}
			if name != host {
				return &exit{exitRefused, fmt.Errorf("nothing was changed: this node is %s, not %q", host, name)}
			}
			return askAgent(cmd.Context(), t, firstboot.MethodReplace, nil)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "`name` of this node, in place of typing it")
	return cmd
}

func newAdmit(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "admit NODE",
		Short: "Let a new machine take the place of a lost node",
		Long: `Let a new machine take the place of a lost node. Run it on a member.

A finished cluster hands out its key no more, not even to its own nodes. After
this the member does so once more, until all nodes are in and the report is
written again.`,
		Example: "  firstboot admit wittgenstein",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askAgent(cmd.Context(), t, firstboot.MethodAdmit, args[0])
		},
	}
}

func newGuard(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:    "guard",
		Short:  "Compare corosync.conf with the peers before corosync starts (a unit runs this at boot)",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), guardTime)
			defer cancel()
			did, err := firstboot.Guard(ctx, firstboot.Options{Version: version, Root: t.root})
			if did != "" {
				fmt.Fprintln(t.stderr, did)
			}
			return err
		},
	}
}

// guardTime is how long a boot waits at most for the peers.
const guardTime = 20 * time.Second

func askAgent(ctx context.Context, t *terminal, method string, in any) error {
	err := firstboot.Ask(ctx, t.root, method, in, nil)
	if errors.Is(err, firstboot.ErrNotRunning) {
		return &exit{exitPrecondition, err}
	}
	return err
}
