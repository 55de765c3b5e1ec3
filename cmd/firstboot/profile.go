package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/settled"
	"ringboot/profiles/fault"
)

func newProfile(t *terminal) *cobra.Command {
	var dry, asJSON bool
	var grow string
	cmd := &cobra.Command{
		Use:   "profile FILE",
		Short: "Give this node another profile, and apply nothing of it",
		Long: `Give this node another profile, and apply nothing of it.

FILE is what mkimage seed wrote for this node. What the profile says otherwise,
and what each step would do about it, is shown first. What may not change on a
node as far as this one is refused, all of it at once (docs/day-two.md has the
table). Then the profile is put in place as a whole; firstboot apply makes it so.

A profile with a node more (mkimage add-node) must have the word of the cluster's
keyring, and root's consent here: --grow NODE. The cluster itself grows when root
on a member admits the machine (firstboot admit NODE).`,
		Example: "  firstboot profile frege.ringboot-seed --dry-run\n  firstboot profile frege.ringboot-seed && firstboot apply --diff\n  firstboot profile frege.ringboot-seed --grow hume",
		Args:    cli.One("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := t.ReadFile(args[0])
			if err != nil {
				return err
			}
			p, err := firstboot.Propose(cmd.Context(), firstboot.Options{Version: version, Root: t.root}, args[0], text)
			if err != nil {
				return err
			}
			if !asJSON {
				printProposal(t.Stdout, p)
			}
			if grow != "" && grow != p.Grows {
				return fault.Usage.Errorf("--grow %s, and %s adds %s: nothing was changed", grow, args[0], cmp.Or(p.Grows, "no node"))
			}
			if p.Grows != "" && grow == "" && !dry {
				return fault.Refused.Errorf("%s adds %s to the cluster, and nothing was changed: say --grow %s if that is meant", args[0], p.Grows, p.Grows)
			}
			if !dry && len(p.Keys) > 0 {
				if err := p.Place(); err != nil {
					return err
				}
			}
			if asJSON {
				return cli.JSON(t.Stdout, p)
			}
			return t.sayWhatNow(p)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would come of it, and change nothing")
	cmd.Flags().StringVar(&grow, "grow", "", "consent that the cluster may grow by this `node`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func printProposal(w io.Writer, p *firstboot.Proposal) {
	if len(p.Keys) == 0 {
		fmt.Fprintf(w, "%s has this profile already\n", p.Node)
		return
	}
	for _, k := range p.Keys {
		fmt.Fprintf(w, "%s: %s -> %s\n            %s\n", k.Key, cmp.Or(k.Have, "left out"), cmp.Or(k.Want, "nothing"), k.Why)
	}
	if p.Idle() {
		fmt.Fprintln(w, "no step of this node would do anything else than it would now")
	} else {
		fmt.Fprintln(w, "firstboot apply would then do:")
	}
	const now = " (as by the present profile)"
	for _, s := range p.Steps {
		end := ""
		if s.Already {
			end = now
		}
		fmt.Fprintf(w, "%-11s %-8s %s%s\n", s.Step, s.Result, s.Reason, end)
		for _, c := range s.Changes {
			have, end := "", ""
			if c.Have != "" {
				have = c.Have + " -> "
			}
			if c.Already {
				end = now
			}
			fmt.Fprintf(w, "            %s: %s%s%s\n", c.Object, have, c.Want, end)
		}
	}
}

// sayWhatNow names what is left to do: a program that runs has read the old one.
func (t *terminal) sayWhatNow(p *firstboot.Proposal) error {
	if !p.Placed {
		return nil
	}
	request, err := settled.ReadRequest(host.New(t.root).Files)
	if err != nil {
		return err
	}
	next := "firstboot settle && systemctl restart ringboot-keeper has the keeper go by it"
	if !p.Settled || request != nil {
		next = "systemctl restart ringboot has the builder go by it"
	}
	t.Say("the profile is in place and nothing of it is applied: %s, firstboot apply --diff shows and firstboot apply makes it so; give the other nodes theirs as well", next)
	return nil
}
