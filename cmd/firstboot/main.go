// Command firstboot is the agent of a node: it takes the node from its first
// start to a member of a working cluster, and then keeps the ring.
//
// Exit codes: 0 done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition
// missing, 5 verification failed, 6 refused for safety, 7 time-out, 8 partial,
// 130 interrupted.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	os.Exit(cli.Main("firstboot", run))
}

// terminal is what a command reads and writes, and the machine it is about.
type terminal struct {
	*cli.Terminal
	root string
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := &terminal{Terminal: cli.NewTerminal(stdin, stdout, stderr)}
	root, err := newRoot(t)
	if err != nil {
		return err
	}
	return cli.Execute(ctx, root, t.Terminal, version, args)
}

// newRoot is the command line.
func newRoot(t *terminal) (*cobra.Command, error) {
	root := &cobra.Command{
		Use:   "firstboot",
		Short: "Take a node from its first start to a member of a working cluster",
		Example: "  firstboot status           # how far this node is\n" +
			"  firstboot doctor           # the one thing to do next\n" +
			"  firstboot peers            # all nodes, as this one sees them",
	}
	root.PersistentFlags().StringVar(&t.root, "root", "", "directory that stands for /")
	if err := root.PersistentFlags().MarkHidden("root"); err != nil {
		return nil, err
	}
	for _, add := range commands() {
		root.AddCommand(add(t))
	}
	return root, nil
}

// commands lists the commands, each from its own file.
func commands() []func(*terminal) *cobra.Command {
	return []func(*terminal) *cobra.Command{
		newRun,
		newKeep,
		newSettle,
		newDrift,
		newTell,
		newFeel,
		newObey,
		newProbePort,
		newResume,
		newStatus,
		newPeers,
		newPage,
		newApply,
		newDoctor,
		newInventory,
		newRing,
		newRestore,
		newSeed,
		newProfile,
		newInstalled,
		newLeave,
		newAdmit,
		newRevoke,
		newRenew,
		newAccept,
		newUpgrade,
		newReplaceDisk,
	}
}
