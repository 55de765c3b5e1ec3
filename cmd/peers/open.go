package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// newOpen asks a node for a link to its status page.
func newOpen(w *wishes, t *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "open [NODE]",
		Short: "Write a link that lets a browser see all of a node's status page",
		Long: `Write a link that lets a browser see all of a node's status page, of the first
node that answers or of the one that is named.

Without a login the page shows the cluster's name, how far its nodes are and the
verdict. The link is good once, within ten minutes, and the login for twelve hours.`,
		Example: "  peers open\n  peers open russell",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return cli.One("NODE")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := fetchLink(cmd.Context(), *w, args)
			if err != nil {
				return err
			}
			at, err := url.Parse(l.Link)
			if err != nil || at.Scheme != "https" || at.Host == "" {
				return fault.Refused.New("what the node handed out is no link to its page: ask another one")
			}
			fmt.Fprintln(t.Stdout, at) // as a node may say anything, what steers a terminal is not repeated
			t.Say("it lets one browser in, once, until %s", l.Until.Local().Format("15:04"))
			return nil
		},
	}
}

func fetchLink(ctx context.Context, w wishes, only []string) (l trust.PageLink, err error) {
	c, err := open(w, os.Getenv)
	if err != nil {
		return l, err
	}
	if c.id == nil {
		return l, fault.Precondition.New("a link is handed out over the trusted channel only: run this where the images were made, or name the --keyring; on a node root types firstboot page")
	}
	nodes := c.nodes
	if len(only) > 0 {
		if !slices.Contains(nodes, only[0]) {
			return l, fault.Usage.Errorf("%q is no node of this cluster", only[0])
		}
		nodes = only
	}
	ctx, cancel := context.WithTimeout(ctx, max(w.listen, 20*time.Second))
	defer cancel()
	g, stop, err := gather(ctx, c)
	if err != nil {
		return l, err
	}
	defer stop()
	for {
		for _, node := range nodes {
			if err = g.client.Call(ctx, node, trust.MethodPage, nil, &l); err == nil {
				return l, nil
			}
		}
		select {
		case <-ctx.Done():
			return l, fault.Timeout.Errorf("no node handed out a link: %w", err)
		case <-time.After(time.Second):
		}
	}
}
