package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ringboot/firstboot"
	"ringboot/firstboot/trust/view"
)

func newPeers(t *terminal) *cobra.Command {
	var asJSON, plain bool
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show all nodes and the ring as this node sees them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && plain {
				return &exit{exitUsage, errors.New("--json and --plain exclude each other")}
			}
			var p view.Picture
			if err := firstboot.Ask(cmd.Context(), t.root, firstboot.MethodPicture, nil, &p); err != nil {
				return &exit{exitPrecondition, err}
			}
			if asJSON {
				return writeJSON(t.stdout, p)
			}
			text := p.Plain()
			if !plain {
				text = p.Text(style(t))
			}
			_, err := t.stdout.Write([]byte(text))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().BoolVar(&plain, "plain", false, "write one line for each fact, for logs")
	return cmd
}

// style fits the picture to the terminal, if there is one.
func style(t *terminal) view.Style {
	f, ok := t.stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return view.Style{}
	}
	st := view.Style{Color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		st.Width = width
	}
	return st
}
