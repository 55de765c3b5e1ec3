package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/base"
	"ringboot/firstboot/host"
	"ringboot/firstboot/replacedisk"
	"ringboot/firstboot/settled"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// replacing is what the command line asks for.
type replacing struct {
	dry, forget, asJSON, goOn bool
}

func newReplaceDisk(t *terminal) *cobra.Command {
	var r replacing
	cmd := &cobra.Command{
		Use:   "replace-disk OSD SERIAL",
		Short: "Replace a dead disk of Ceph on this node, from out to clean",
		Long: `Replace a dead disk of Ceph on this node, from out to clean.

OSD is the dead one, SERIAL that of the new disk, which must be blank. The dead
one gets no more data, the new disk gets an OSD, the copies are made, and when
every placement group is clean and Ceph calls the dead one safe to destroy, it
is removed. It stops with a sentence at the first doubt, and the same command
goes on from there; after a power cut it goes on by itself, and the terminal may
be closed.

Refused is what could cost data: an OSD that runs, another one that is down, a
disk that holds anything, placement groups that are not available.
The exit code is 0 when it is done, and 8 when it stopped.`,
		Example: "  ceph osd tree                                       # which one is down\n  firstboot replace-disk osd.2 S6P8NX0W900001 --dry-run\n  firstboot replace-disk osd.2 S6P8NX0W900001\n" +
			"  firstboot replace-disk --forget                     # give up what has stopped",
		Args: func(_ *cobra.Command, args []string) error {
			if (r.forget || r.goOn) && len(args) == 0 || len(args) == 2 {
				return nil
			}
			return fault.Usage.New("two words are needed: the dead OSD, and the serial number of the new disk (firstboot replace-disk osd.2 S6P8NX0W900001)")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.goOn {
				return goOnReplacing(cmd.Context(), t)
			}
			if r.forget {
				return forgetReplacement(t)
			}
			osd, err := strconv.Atoi(strings.TrimPrefix(args[0], "osd."))
			if err != nil || osd < 0 {
				return fault.Usage.Errorf("%q is no OSD: write its number, as ceph osd tree shows it (osd.2)", args[0])
			}
			return r.run(cmd.Context(), t, osd, args[1])
		},
	}
	cmd.Flags().BoolVar(&r.dry, "dry-run", false, "look whether it may be begun, and change nothing")
	cmd.Flags().BoolVar(&r.forget, "forget", false, "give up a replacement that has stopped; what is out stays out")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "write the order, or how far it is, as JSON, and change nothing")
	cmd.Flags().BoolVar(&r.goOn, "go-on", false, "what the unit runs")
	_ = cmd.Flags().MarkHidden("go-on")
	return cmd
}

// finishedNode is this node, if its builder has left it.
func finishedNode(t *terminal) (base.Own, host.Host, error) {
	h := host.New(t.root)
	own, err := base.LoadSeed(h.Files)
	if err != nil {
		return base.Own{}, h, fault.Precondition.Wrap(err)
	}
	mark, err := settled.Read(h.Files)
	if err == nil && mark == nil {
		err = fault.Precondition.New("this node is being formed, and its builder makes the OSDs: firstboot status shows how far it is")
	}
	return own, h, err
}

// replacement is what replaces a disk of this node.
func replacement(own base.Own, h host.Host, log func(string)) *replacedisk.Replacement {
	return replacedisk.New(replacedisk.Options{Host: h, Node: own.Node, Ceph: own.Profile.Ceph, Log: log})
}

// goOnReplacing is the unit: it works until the end or a stop.
func goOnReplacing(ctx context.Context, t *terminal) error {
	o, err := replacedisk.ReadOrder(host.New(t.root).Files)
	if err != nil || o == nil || o.Stopped != "" || !o.Ended.IsZero() {
		return err
	}
	own, h, err := finishedNode(t)
	if err != nil {
		return err
	}
	return replacement(own, h, told(t, h.Files, replacedisk.Errand())).Run(ctx, o)
}

func (r replacing) run(ctx context.Context, t *terminal, osd int, serial string) error {
	own, h, err := finishedNode(t)
	if err != nil {
		return err
	}
	before, err := replacedisk.ReadOrder(h.Files)
	if err != nil {
		return err
	}
	o, err := replacement(own, h, nil).Begin(ctx, osd, serial)
	if err != nil {
		return err
	}
	switch {
	case r.asJSON:
		return cli.JSON(t.Stdout, o)
	case r.dry:
		fmt.Fprintf(t.Stdout, "would replace %s\n", o.Of())
		return nil
	}
	fmt.Fprintf(t.Stdout, "replaces %s\n", o.Of())
	if err := lay(h.Files, before, o); err != nil {
		return err
	}
	if err := replacedisk.Errand().Start(ctx, h.Commands); err != nil {
		return err
	}
	err = follow(ctx, t, h.Files, replacedisk.LogFile, func() (bool, error) {
		now, err := replacedisk.ReadOrder(h.Files)
		if err != nil || now == nil {
			return true, err
		}
		if o = now; o.Stopped != "" {
			err = fault.Partial.Errorf("the replacement stopped: %s; firstboot replace-disk osd.%d %s goes on", o.Stopped, osd, serial)
		}
		return !o.Ended.IsZero(), err
	})
	if err != nil || o.Ended.IsZero() {
		return err
	}
	replaced(t.Stdout, own.Node, o)
	return nil
}

// lay writes the order. What the unit works at, it writes alone.
func lay(f host.Files, before, o *replacedisk.Order) error {
	if before == nil || !before.Asked.Equal(o.Asked) {
		if err := f.Remove(replacedisk.LogFile); err != nil { // of an earlier one
			return err
		}
		return o.Write(f)
	}
	if before.Stopped != "" {
		return o.Write(f)
	}
	return nil
}

// replaced says what was done, and what of it the profile does not know.
func replaced(w io.Writer, node profiles.Node, o *replacedisk.Order) {
	fmt.Fprintf(w, "replaced %s in %s; the dead disk is nobody's now: take it out of the machine\n", o.Of(), o.Ended.Sub(o.Asked).Round(time.Second))
	named := func(d profiles.DiskName) bool { return d.Serial != "" && strings.HasSuffix(d.Serial, o.Serial) }
	if len(node.OSDDisks) == 0 || slices.ContainsFunc(node.OSDDisks, named) {
		return
	}
	old := "the dead disk"
	for _, d := range node.OSDDisks {
		if d.Serial != "" && strings.HasSuffix(o.Old, d.Serial) {
			old = d.Serial
		}
	}
	fmt.Fprintf(w, "the profile does not name the new disk: write %s in the place of %s under osd_disks of %s, and bring it to the nodes (mkimage seed, firstboot profile)\n", o.Serial, old, node.Name)
}

func forgetReplacement(t *terminal) error {
	h := host.New(t.root)
	o, err := replacedisk.ReadOrder(h.Files)
	switch {
	case err != nil:
		return err
	case o == nil || !o.Ended.IsZero():
		return fault.Precondition.New("no replacement is under way on this node")
	case o.Stopped == "":
		return fault.Precondition.Errorf("the replacement is at work: systemctl stop %s first", replacedisk.Errand().Unit)
	}
	if err := h.Files.Remove(replacedisk.OrderFile); err != nil {
		return err
	}
	t.Say("given up: %s. What is done stays: osd.%d may be out (ceph osd in %d takes it back), and the new disk may carry an OSD", o.Of(), o.OSD, o.OSD)
	return nil
}
