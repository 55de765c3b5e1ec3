// Command mkimage makes the installation image of a node: a stock Proxmox VE
// ISO, a profile, and out comes an image or a finished stick that installs one
// machine without a question and never twice by accident.
//
// Data goes to standard output, messages to standard error. Exit codes: 0
// done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition missing, 5
// verification failed, 6 refused for safety, 7 time-out, 8 partial.
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
	os.Exit(program())
}

// program is main with its exit code, as the tests of commands run it.
func program() int {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			stop(fmt.Errorf("%w (%s)", errInterrupted, s))
		case <-ctx.Done():
		}
	}()
	defer stop(nil)
	return report(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr)
}

// terminal is what a command reads and writes.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// say writes one line for a person.
func (t *terminal) say(format string, args ...any) { fmt.Fprintf(t.stderr, format+"\n", args...) }

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := &terminal{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(t)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && isUsage(err) {
		return &exit{exitUsage, fmt.Errorf("%w (mkimage --help)", err)}
	}
	return err
}

// newRoot is the command line. The root command itself makes images.
func newRoot(t *terminal) *cobra.Command {
	root := newMake(t)
	root.Version = version
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{exitUsage, err} })
	root.SetHelpTemplate(helpTemplate)
	root.CompletionOptions.HiddenDefaultCmd = false
	for _, add := range commands() {
		root.AddCommand(add(t))
	}
	return root
}

// commands lists the commands, each from its own file.
func commands() []func(*terminal) *cobra.Command {
	return []func(*terminal) *cobra.Command{
		newInit,
		newPlan,
		newLint,
		newInspect,
		newVerify,
		newReset,
		newSticks,
		newRearm,
		newSecrets,
		newAnsible,
		newPracticeISO,
		newRehearse,
		func(t *terminal) *cobra.Command { return manual.New("mkimage", version, t.stdout) },
		newOpenDevice,
	}
}

// helpTemplate shows examples first: they are what people look for.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

var errInterrupted = errors.New("interrupted")
