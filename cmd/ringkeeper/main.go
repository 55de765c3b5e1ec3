// Command ringkeeper keeps the ring of three machines that have Thunderbolt
// cables between them, and no use for the rest of Ringboot.
//
// Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration invalid, 4
// precondition missing, 6 refused for safety, 7 time-out, 8 partial, 130 interrupted.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/alone"
	"ringboot/firstboot/host"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	os.Exit(cli.Main("ringkeeper", run))
}

// terminal is what a command reads and writes, and the machine it is about.
type terminal struct {
	*cli.Terminal
	root string
}

// machine is the one that the command is about.
func (t *terminal) machine() alone.Machine {
	return alone.On(t.root, version, func(text string) { fmt.Fprintln(t.Stderr, text) })
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := &terminal{Terminal: cli.NewTerminal(stdin, stdout, stderr)}
	root := &cobra.Command{
		Use:   "ringkeeper",
		Short: "Keep a ring of three machines with Thunderbolt cables",
		Example: "  ringkeeper pair --ring 10.203.4.11    # once, on all three at the same time\n" +
			"  ringkeeper status                     # how the ring is\n" +
			"  ringkeeper report                     # a file about it that one can send",
	}
	root.PersistentFlags().StringVar(&t.root, "root", "", "directory that stands for /")
	if err := root.PersistentFlags().MarkHidden("root"); err != nil {
		return err
	}
	for _, add := range []func(*terminal) *cobra.Command{newPair, newForget, newRun, newFloor, newStatus, newReport, newLeave, newPackage} {
		root.AddCommand(add(t))
	}
	return cli.Execute(ctx, root, t.Terminal, version, args)
}

func newRun(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "run",
		Short:   "Keep the ring: the unit ringkeeper calls it",
		Example: "  systemctl start ringkeeper      # the unit that calls ringkeeper run\n  ringkeeper run                  # by hand, without a unit",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return t.machine().Keep(cmd.Context(), host.Notifier{}) },
	}
}

func newFloor(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "floor",
		Short: "Write what keeps the ring while no keeper runs",
		Long: `Write what keeps the ring while no keeper runs: the names of the ports, their
addresses, static routes and settings, and the filter that keeps others off the
ring. ringkeeper pair does it by itself, and so does the unit at each start.`,
		Example: "  ringkeeper floor",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return t.machine().Floor(cmd.Context()) },
	}
}
