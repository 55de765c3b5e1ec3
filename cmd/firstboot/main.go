// Command firstboot is the agent of a node: it takes the node from its first
// start to a member of a working cluster, and then keeps the ring.
//
// Exit codes: 0 done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition
// missing, 5 verification failed, 6 refused for safety, 7 time-out, 8 partial.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"ringboot/cmd/manual"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(report(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// Exit codes, the same in all commands of Ringboot.
const (
	exitUnexpected   = 1
	exitUsage        = 2
	exitProfile      = 3
	exitPrecondition = 4
	exitUnverified   = 5
	exitRefused      = 6
	exitTimeout      = 7
	exitPartial      = 8
)

// exit is an error with its exit code. Without a cause nothing more is said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// report says what went wrong and returns the exit code.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "firstboot: "+text)
	}
	var e *exit
	switch {
	case errors.As(err, &e):
		return e.code
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	return exitUnexpected
}

// terminal is what a command reads, writes and was asked for in common flags.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	root           string
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := &terminal{stdin: stdin, stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:           "firstboot",
		Short:         "Take a node from its first start to a member of a working cluster",
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{exitUsage, err} })
	root.PersistentFlags().StringVar(&t.root, "root", "", "directory that stands for /")
	if err := root.PersistentFlags().MarkHidden("root"); err != nil {
		return err
	}
	for _, add := range commands() {
		root.AddCommand(add(t))
	}
	err := root.ExecuteContext(ctx)
	var e *exit
	if err != nil && !errors.As(err, &e) && isUsage(err) {
		err = &exit{exitUsage, err}
	}
	return err
}

// commands lists the commands, each from its own file.
func commands() []func(*terminal) *cobra.Command {
	return []func(*terminal) *cobra.Command{
		newRun,
		newStatus,
		newPeers,
		newApply,
		newDoctor,
		newInventory,
		newRestore,
		newSeed,
		newInstalled,
		newLeave,
		newReplace,
		newAdmit,
		newGuard,
		newAccept,
		func(t *terminal) *cobra.Command { return manual.New("firstboot", version, t.stdout) },
	}
}
