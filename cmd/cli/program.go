// Package cli is what the commands of this module share: how a command line is
// read, what a terminal is told, which exit code an end has, help, manual and
// completion. It knows nothing of what the commands do.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ringboot/profiles/fault"
	"ringboot/profiles/form"
)

// Main is the main of a command: it runs it until a signal, and returns its
// exit code. A second signal ends the process at once. The tools of the system
// are found where Debian has them, even if the user's PATH does not.
func Main(name string, run func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error) int {
	if path := withSystem(os.Getenv("PATH"), runtime.GOOS); path != "" {
		if err := os.Setenv("PATH", path); err != nil {
			return Report(name, err, os.Stderr)
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			stop(ErrInterrupted())
		case <-ctx.Done():
		}
	}()
	return Report(name, run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr)
}

// withSystem is a PATH in which the tools of the system are found, too; empty
// if nothing is to be added.
func withSystem(path, goos string) string {
	if goos == "windows" {
		return ""
	}
	added := path
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if !slices.Contains(filepath.SplitList(path), dir) {
			added += string(filepath.ListSeparator) + dir
		}
	}
	if added == path {
		return ""
	}
	return strings.TrimPrefix(added, string(filepath.ListSeparator))
}

// interrupted is the cause of a context that a signal ended.
type interrupted struct{}

func (interrupted) Error() string     { return "interrupted" }
func (interrupted) Fault() fault.Kind { return fault.Interrupted }

// ErrInterrupted is the cause with which a signal ends the work of a command.
func ErrInterrupted() error { return interrupted{} }

// Report says what went wrong and returns the exit code.
func Report(name string, err error, stderr io.Writer) int {
	if err == nil {
		return int(fault.Done)
	}
	kind, text := fault.Of(err), err.Error()
	var problems form.Problems
	switch {
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems) // every line begins with its place
	case kind == fault.Interrupted && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, name+": interrupted")
	case text != "":
		if remedy := fault.Remedy(err); remedy != "" {
			text += ": " + remedy
		}
		columns, _ := Size(stderr)
		fmt.Fprintln(stderr, Wrap(name+": "+text, columns))
	}
	return int(kind)
}

// Execute runs a command line on a terminal. It adds to the root what all
// commands have: help, version, completion, manual, and the common flags.
func Execute(ctx context.Context, root *cobra.Command, t *Terminal, version string, args []string) error {
	if err := Dress(root, t, version); err != nil {
		return err
	}
	// Where a shell completes, cobra reads the flags more than once.
	if len(args) == 0 || args[0] != cobra.ShellCompRequestCmd && args[0] != cobra.ShellCompNoDescRequestCmd {
		strict(root)
	}
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// Dress gives a root and its commands what all have.
func Dress(root *cobra.Command, t *Terminal, version string) error {
	root.SetIn(t.Stdin)
	root.SetOut(t.Stdout)
	root.SetErr(t.Stderr)
	root.Version = version
	root.SilenceErrors, root.SilenceUsage = true, true
	name := root.Name()
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(name, c, err) })
	if root.Args == nil {
		root.Args = Words(nil)
	}
	if root.Run == nil && root.RunE == nil {
		root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	flags := root.PersistentFlags()
	flags.BoolVarP(&t.quiet, "quiet", "q", false, "say only risks and errors")
	flags.BoolVar(&t.plain, "no-color", false, "no colours (as NO_COLOR)")
	root.AddCommand(newVersion(root, t), newCompletion(name, t), newManual(name, version, t))
	root.SetHelpCommand(newHelp(root))
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(t.Stdout, help(c, t.width(t.Stdout))) })
	return nil
}

func newVersion(root *cobra.Command, t *Terminal) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Example: "  " + root.Name() + " version",
		Args: None(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(t.Stdout, "%s version %s\n", root.Name(), root.Version)
			return err
		},
	}
}
