package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/profiles/fault"
)

// A node that restarts is away for a while; the upgrade goes on without us.
const (
	backEvery = 5 * time.Second
	backTime  = 30 * time.Minute
)

// upgrading is what the command line asks for.
type upgrading struct {
	dry, pause, asJSON bool
	nodes              []string
	agent, user, lead  string
}

// newUpgrade upgrades the cluster through one of its nodes.
func newUpgrade(w *wishes, t *cli.Terminal) *cobra.Command {
	var u upgrading
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Upgrade the packages of the cluster from here, one node after the other",
		Long: `Upgrade the packages of the cluster from here, one node after the other.

It is firstboot upgrade on one node: on the one that leads an upgrade already,
else on the first that answers. It gets there over ssh, with your own key and
sudo, so it may do what you may do there and needs no password. sshd is known
by the keys that the nodes name over the trusted channel; without the keyring
your known_hosts counts. Leaving does not stop the upgrade, nor does a
connection that breaks: the same command shows it again.
The exit code is firstboot's: 0 when all nodes are done, 8 when it stopped.`,
		Example: "  peers upgrade --dry-run           # what each node would get\n  peers upgrade                     # all nodes, and what it says, with times\n  peers upgrade --node russell      # one node alone\n  peers upgrade --pause             # stop before the next node\n  peers upgrade --agent ringboot_1.3_amd64.deb",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, nodes, err := newRemote(cmd.Context(), *w, u.user, t)
			if err != nil {
				return err
			}
			defer r.close()
			return u.run(cmd.Context(), r, nodes, backEvery, backTime)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&u.dry, "dry-run", false, "show what each node would get, and change nothing")
	f.StringSliceVar(&u.nodes, "node", nil, "take this `node` only; may be given again")
	f.BoolVar(&u.pause, "pause", false, "let the upgrade that is under way stop before the next node")
	f.BoolVar(&u.asJSON, "json", false, "write the plan, or how far it is, as JSON, and change nothing")
	f.StringVar(&u.agent, "agent", "", "bring the agents of the nodes to this package `file` of mkimage package")
	f.StringVar(&u.user, "user", "", "`account` to log in with (default: of the profile who has keys and sudo without a password, else ssh's own)")
	f.StringVar(&u.lead, "on", "", "`node` to upgrade from, which is taken last")
	return cmd
}

func (u upgrading) run(ctx context.Context, r *remote, nodes []string, every, most time.Duration) error {
	if err := u.check(nodes); err != nil {
		return err
	}
	var pkg []byte
	if u.agent != "" {
		var err error
		if pkg, err = r.t.ReadFile(u.agent); err != nil {
			return err
		}
	}
	lead, under, err := u.leader(ctx, r, nodes)
	if err != nil {
		return err
	}
	if !under && u.pause {
		return fault.Precondition.New("no upgrade is under way on any node that answers")
	}
	r.t.Say("on %s", lead)
	seen := &once{to: r.t.Stdout, lines: map[string]bool{}}
	err = r.run(ctx, lead, bytes.NewReader(pkg), seen, r.t.Stderr, u.words()...)
	var lost errLost
	if u.dry || u.pause || u.asJSON || u.agent != "" {
		return err
	}
	for end := time.Now().Add(most); errors.As(err, &lost); {
		if time.Now().After(end) {
			return fault.Timeout.Errorf("%w, for %s; the upgrade goes on there by itself: peers upgrade --on %s shows it again", lost.error, most, lead)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(every):
		}
		err = r.run(ctx, lead, nil, seen, io.Discard, "upgrade", "--follow")
	}
	return err
}

// check refuses flags that exclude each other and nodes that are none.
func (u upgrading) check(nodes []string) error {
	if u.pause && (u.dry || u.asJSON || u.agent != "" || len(u.nodes) > 0) {
		return fault.Usage.New("--pause stands alone: it is for the upgrade that is under way")
	}
	for _, n := range append(slices.Clone(u.nodes), u.lead) {
		if n != "" && !slices.Contains(nodes, n) {
			return fault.Usage.Errorf("%q is no node of this cluster, which has %s", n, strings.Join(nodes, ", "))
		}
	}
	return nil
}

// words are those of firstboot.
func (u upgrading) words() []string {
	out := []string{"upgrade"}
	for _, n := range u.nodes {
		out = append(out, "--node", n)
	}
	for _, f := range []struct {
		on   bool
		word string
	}{{u.dry, "--dry-run"}, {u.pause, "--pause"}, {u.asJSON, "--json"}} {
		if f.on {
			out = append(out, f.word)
		}
	}
	if u.agent != "" {
		out = append(out, "--agent", cli.Standard)
	}
	return out
}

// leader is the node that leads an upgrade already, else the first that answers.
func (u upgrading) leader(ctx context.Context, r *remote, nodes []string) (lead string, under bool, err error) {
	if u.lead != "" {
		nodes = []string{u.lead}
	}
	var why []error
	for _, n := range nodes {
		var said bytes.Buffer
		var order struct {
			Asked, Ended time.Time
		}
		err := r.run(ctx, n, nil, &said, io.Discard, "upgrade", "--follow", "--json")
		var lost errLost
		var own errSaid
		switch {
		case ctx.Err() != nil:
			return "", false, context.Cause(ctx)
		case errors.As(err, &lost):
			why = append(why, err)
			continue
		case errors.As(err, &own) && own.kind == fault.Precondition: // none was begun there
		case errors.As(err, &own) && own.kind == fault.Usage:
			return "", false, fault.Precondition.Errorf("the agent of %s is older than this program (%w): bring the nodes to a newer one with mkimage package", n, err)
		case err != nil:
			return "", false, err
		case json.Unmarshal(said.Bytes(), &order) != nil:
			return "", false, fault.Unexpected.Errorf("%s answers in no form that is known: update the older of its agent and this program", n)
		}
		if !order.Asked.IsZero() && order.Ended.IsZero() {
			return n, true, nil
		}
		if lead == "" {
			lead = n
		}
	}
	if lead == "" {
		return "", false, fault.Precondition.Wrap(errors.Join(why...))
	}
	return lead, false, nil
}

// once passes each line on once: what is shown anew begins with what was shown.
// Every line of an upgrade has its time in it.
type once struct {
	to    io.Writer
	lines map[string]bool
}

func (o *once) Write(line []byte) (int, error) {
	if o.lines[string(line)] {
		return len(line), nil
	}
	o.lines[string(line)] = true
	return o.to.Write(line)
}
