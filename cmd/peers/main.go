// Command peers shows from anywhere on the network how far each node of a
// cluster is, and why it waits.
//
// With the builder's keyring it checks the signatures of what it hears and
// asks the nodes for details; without, it shows what it hears, marked
// unverified, and connects to nobody.
//
// Exit codes: 0 done, 1 unexpected, 2 usage, 3 profile invalid, 4 precondition
// missing, 5 formed and not accepted, 7 time-out, 130 interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"ringboot/cmd/cli"
	"ringboot/profiles/fault"

	"github.com/spf13/cobra"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	os.Exit(cli.Main("peers", run))
}

// wishes are what the command line asks for.
type wishes struct {
	keyring, profile, cluster string
	watch, json, plain        bool
	wait                      string
	no                        bool
	timeout, listen           time.Duration
	width                     int
}

// run is the whole program, as tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	t := cli.NewTerminal(stdin, stdout, stderr)
	return cli.Execute(ctx, newRoot(t), t, version, args)
}

// newRoot is the command line.
func newRoot(t *cli.Terminal) *cobra.Command {
	var w wishes
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show how far each node of a cluster is, and why it waits",
		Long: "peers listens for the nodes' signed multicast records. With the keyring of the machine that made the images it checks the signatures " +
			"and asks the nodes for details over the trusted channel; without, everything is marked unverified.",
		Example: `  peers                                   # one picture
  peers --watch                           # a live one
  peers --wait accepted --timeout 90m     # until the report is there; 5 if it did not pass, 7 on time-out
  peers --json | jq .verdict
  peers report > report.html              # the acceptance report
  peers open                              # a link to the whole status page
  peers --no-power-cut                    # reset no node in the first acceptance`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(); err != nil {
				return fault.Usage.Wrap(err)
			}
			if w.no {
				return decline(cmd.Context(), w, t)
			}
			return show(cmd.Context(), w, t)
		},
	}
	cmd.AddCommand(newReport(&w, t), newOpen(&w, t), newUpgrade(&w, t), newPush(&w, t), newExplain(t))
	f := cmd.Flags()
	all := cmd.PersistentFlags()
	all.StringVar(&w.keyring, "keyring", "", "`directory` of the cluster's keyring (default: the only one of this user)")
	all.StringVar(&w.profile, "profile", "", "the cluster's profile `file`: names its nodes and their addresses")
	all.StringVar(&w.cluster, "cluster", "", "`name` of the cluster, where this user has several keyrings")
	cli.Complete(cmd, "cluster", func(context.Context) []string {
		names, _ := clusters(base(os.Getenv)) // none: nothing is offered
		return names
	})
	all.DurationVar(&w.listen, "listen", 3*time.Second, "longest `time` to listen for one picture")
	f.BoolVar(&w.watch, "watch", false, "keep the picture live until q or an interrupt")
	f.BoolVar(&w.json, "json", false, "write JSON; with --watch one line for each change")
	f.BoolVar(&w.plain, "plain", false, "write one line for each fact, for logs")
	f.BoolVar(&w.no, "no-power-cut", false, "say no to the power cut that the profile proposes (acceptance.power_cut: ask)")
	f.StringVar(&w.wait, "wait", "", "wait until the cluster is in this `state`: formed, or accepted by its acceptance")
	cli.Complete(cmd, "wait", func(context.Context) []string { return []string{waitFormed, waitAccepted} })
	f.DurationVar(&w.timeout, "timeout", 90*time.Minute, "longest `time` to wait")
	f.IntVar(&w.width, "width", 0, "`columns` to draw in (default: the terminal's, or 80)")
	return cmd
}

func (w wishes) check() error {
	switch {
	case !slices.Contains([]string{"", waitFormed, waitAccepted}, w.wait):
		return fmt.Errorf("--wait knows the states formed and accepted, not %q", w.wait)
	case w.no && (w.watch || w.json || w.plain || w.wait != ""):
		return errors.New("--no-power-cut stands alone")
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
