package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/profiles/change"
	"ringboot/profiles/fault"
)

// newPush brings a changed profile to running nodes.
func newPush(w *wishes, t *cli.Terminal) *cobra.Command {
	var dry bool
	var user string
	cmd := &cobra.Command{
		Use:   "push FILE...",
		Short: "Bring a changed profile to running nodes",
		Long: `Bring a changed profile to running nodes, over ssh as peers upgrade does.

Each FILE is what mkimage seed wrote for a node. What the profile says otherwise,
and what each step would do about it, is shown of all of them first; if one node
refuses, none gets it. Nothing is applied: firstboot apply on the nodes does that.`,
		Example: "  mkimage seed --all --out seeds/\n  peers push --dry-run seeds/*.ringboot-seed\n  peers push seeds/*.ringboot-seed",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return fault.Usage.New("which one? peers push FILE, as mkimage seed wrote it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			r, nodes, err := newRemote(cmd.Context(), *w, user, t)
			if err != nil {
				return err
			}
			defer r.close()
			return push(cmd.Context(), r, nodes, files, dry)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would come of it, and change nothing")
	cmd.Flags().StringVar(&user, "user", "", "`account` to log in with, as of peers upgrade")
	return cmd
}

// push shows what would come of the files on all their nodes, and then puts
// them in place.
func push(ctx context.Context, r *remote, nodes, files []string, dry bool) error {
	texts, order := map[string][]byte{}, []string{}
	for _, file := range files {
		text, err := r.t.ReadFile(file)
		if err != nil {
			return err
		}
		f, _, err := change.Parse(file, text)
		if err != nil {
			return err
		}
		n := f.Seed.Node
		switch {
		case !slices.Contains(nodes, n):
			return fault.Refused.Errorf("%s is for %s, which is no node of this cluster: nothing was changed", file, n)
		case texts[n] != nil:
			return fault.Usage.Errorf("%s is for %s, too: one file for each node", file, n)
		}
		texts[n] = text
		order = append(order, n)
	}
	for _, n := range order {
		fmt.Fprintf(r.t.Stdout, "%s\n", n)
		if err := r.run(ctx, n, bytes.NewReader(texts[n]), r.t.Stdout, r.t.Stderr, "profile", cli.Standard, "--dry-run"); err != nil {
			return fmt.Errorf("%w; nothing was changed on any node", err)
		}
	}
	if dry {
		return nil
	}
	for i, n := range order {
		r.t.Say("%s gets it", n)
		if err := r.run(ctx, n, bytes.NewReader(texts[n]), &bytes.Buffer{}, r.t.Stderr, "profile", cli.Standard); err != nil {
			return fault.Partial.Errorf("%d of %d nodes have the profile: %w; the same command goes on", i, len(order), err)
		}
	}
	return nil
}
