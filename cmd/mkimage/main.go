// Command mkimage makes the installation image of a node: a stock Proxmox VE
// ISO, a profile, and out comes an image or a finished stick that installs one
// machine without a question and never twice by accident.
//
// Data goes to standard output, messages to standard error. Exit codes: 0
// done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition missing, 5
// verification failed, 6 refused for safety, 7 time-out, 8 partial, 130
// interrupted.
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
	os.Exit(cli.Main("mkimage", run))
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := cli.NewTerminal(stdin, stdout, stderr)
	return cli.Execute(ctx, newRoot(t), t, version, args)
}

// newRoot is the command line. The root command itself makes images.
func newRoot(t *cli.Terminal) *cobra.Command {
	root := newMake(t)
	for _, add := range commands() {
		root.AddCommand(add(t))
	}
	return root
}

// commands lists the commands, each from its own file.
func commands() []func(*cli.Terminal) *cobra.Command {
	return []func(*cli.Terminal) *cobra.Command{
		newInit,
		newPlan,
		newLint,
		newInspect,
		newVerify,
		newReset,
		newSticks,
		newRearm,
		newSecrets,
		newReissue,
		newAddNode,
		newSeed,
		newPackage,
		newAnsible,
		newPracticeISO,
		newRehearse,
		newOpenDevice,
	}
}
