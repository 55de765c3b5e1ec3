package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/trust"
)

func newPage(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "page",
		Short: "Write a link that lets a browser see all of this node's status page",
		Long: `Write a link that lets a browser see all of this node's status page.

Without a login the page shows the cluster's name, how far its nodes are and the
verdict. With it, it shows the ring, the states, risks, events and the report,
for twelve hours. The link is good once, within ten minutes.`,
		Example: "  firstboot page",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var l trust.PageLink
			if err := firstboot.AskEither(cmd.Context(), t.root, trust.MethodPage, nil, &l); err != nil {
				return err
			}
			fmt.Fprintln(t.Stdout, l.Link)
			t.Say("it lets one browser in, once, until %s", l.Until.Local().Format("15:04"))
			return nil
		},
	}
}
