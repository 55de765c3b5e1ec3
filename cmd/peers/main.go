// Command peers shows from anywhere on the network how far each node of a
// cluster is, and why it waits.
//
// With the builder's keyring it checks the signatures of what it hears and
// asks the nodes for details; without, it shows what it hears, marked
// unverified, and connects to nobody.
//
// Exit codes: 0 done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition
// missing, 7 time-out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/manual"
)

// version is set when the program is linked.
var version = "dev"

// Exit codes, the same in all commands of Ringboot.
const (
	exitUnexpected   = 1
	exitUsage        = 2
	exitProfile      = 3
	exitPrecondition = 4
	exitTimeout      = 7
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(report(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr), os.Stderr))
}

// exit is an error with its exit code.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "peers: "+err.Error())
	var e *exit
	if errors.As(err, &e) {
		return e.code
	}
	return exitUnexpected
}

// wishes are what the command line asks for.
type wishes struct {
	keyring, profile, cluster string
	watch, json, plain        bool
	wait                      string
	timeout, listen           time.Duration
	width                     int
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	var w wishes
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show how far each node of a cluster is, and why it waits",
		Long: `Show how far each node of a cluster is, and why it waits.

peers listens for the nodes' signed multicast records. With the keyring of the
machine that made the images it checks the signatures and asks the nodes for
details over the trusted channel; without, everything is marked unverified.`,
		Example: `  peers                                   one picture
  peers --watch                           a live one
  peers --wait formed --timeout 45m       until the cluster is there; 7 on time-out
  peers --json | jq .verdict`,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(); err != nil {
				return &exit{exitUsage, err}
			}
			return show(cmd.Context(), w, stdout, stderr)
		},
	}
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit{exitUsage, err} })
	cmd.AddCommand(newReport(&w, stdout))
	f := cmd.Flags()
	cmd.PersistentFlags().StringVar(&w.keyring, "keyring", "", "directory of the cluster's keyring (default: the only one of this user)")
	cmd.PersistentFlags().StringVar(&w.profile, "profile", "", "the cluster's profile: names its nodes and their addresses")
	cmd.PersistentFlags().StringVar(&w.cluster, "cluster", "", "name of the cluster, where this user has several keyrings")
	f.BoolVar(&w.watch, "watch", false, "keep the picture live until interrupted")
	f.BoolVar(&w.json, "json", false, "write JSON; with --watch one line for each change")
	f.BoolVar(&w.plain, "plain", false, "write one line for each fact, for logs")
	f.StringVar(&w.wait, "wait", "", "wait until the cluster is in this state: formed")
	f.DurationVar(&w.timeout, "timeout", 45*time.Minute, "longest time to wait")
	cmd.PersistentFlags().DurationVar(&w.listen, "listen", 3*time.Second, "longest time to listen for one picture")
	f.IntVar(&w.width, "width", 0, "columns to draw in (default: the terminal's, or 80)")
	cmd.AddCommand(manual.New("peers", version, stdout))
	err := cmd.ExecuteContext(ctx)
	var e *exit
	if err != nil && !errors.As(err, &e) && strings.HasPrefix(err.Error(), "unknown command") {
		err = &exit{exitUsage, fmt.Errorf("%w; peers takes flags only", err)}
	}
	return err
}

func (w wishes) check() error {
	switch {
	case w.wait != "" && w.wait != "formed":
		return fmt.Errorf("--wait knows the state formed, not %q", w.wait)
	case w.wait != "" && w.watch:
		return errors.New("--wait and --watch exclude each other")
	case w.json && w.plain:
		return errors.New("--json and --plain exclude each other")
	case w.width != 0 && w.width < 40:
		return errors.New("--width is at least 40")
	case w.timeout <= 0 || w.listen <= 0:
		return errors.New("--timeout and --listen are longer than nothing")
	}
	return nil
}
