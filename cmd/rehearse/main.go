// Command rehearse plays the whole trip in virtual machines, from power-on to a
// cluster and its report, and makes the practice ISO that it uses where there
// is none of Proxmox VE. It carries the practice system, which mkimage does not.
//
// Data goes to standard output, messages to standard error. Exit codes are
// those of package fault.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/rehearsal/base"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	os.Exit(cli.Main("rehearse", run))
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := cli.NewTerminal(stdin, stdout, stderr)
	root := newRehearse(t)
	root.AddCommand(newPracticeISO(t))
	return cli.Execute(ctx, root, t, version, args)
}

func newPracticeISO(t *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "practice-iso",
		Short: "Make the ISO for practising and say where it is",
		Long: "practice-iso makes an installation medium with the anatomy of the Proxmox VE ISO " +
			"from Debian packages, with stand-ins of the Proxmox tools. What it installs is no " +
			"Proxmox VE, and says so. It is kept in the cache.",
		Example: "  sudo $(command -v rehearse) practice-iso\n  mkimage --node frege --iso practice",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := base.Practice(cmd.Context(), func(text string) { t.Say("practice ISO: %s", text) })
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(t.Stdout, path)
			return err
		},
	}
}
