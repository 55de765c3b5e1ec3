package main

import (
	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/status/draw"
	"ringboot/profiles/fault"
)

func newPeers(t *terminal) *cobra.Command {
	var asJSON, plain bool
	cmd := &cobra.Command{
		Use:     "peers",
		Short:   "Show all nodes and the ring as this node sees them",
		Example: "  firstboot peers\n  firstboot peers --json | jq .verdict",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && plain {
				return fault.Usage.New("--json and --plain exclude each other")
			}
			var p draw.Picture
			if err := firstboot.AskEither(cmd.Context(), t.root, firstboot.MethodPicture, nil, &p); err != nil {
				return fault.Precondition.Wrap(err)
			}
			if asJSON {
				return cli.JSON(t.Stdout, p)
			}
			text := p.Plain()
			if !plain {
				text = p.Text(style(t))
			}
			_, err := t.Stdout.Write([]byte(text))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&plain, "plain", false, "write one line for each fact, for logs")
	return cmd
}

// style fits the picture to the terminal, if there is one.
func style(t *terminal) draw.Style {
	return draw.Style{Width: t.Width(), Color: t.Color(t.Stdout)}
}
