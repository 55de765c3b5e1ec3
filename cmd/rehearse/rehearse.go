package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/rehearsal"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/qemu"
)

// rehearsing is what the flags ask for.
type rehearsing struct {
	t        *cli.Terminal
	profile  string
	iso      string
	dir      string
	firmware string
	accel    string
	until    string
	drills   []string
	seed     uint64
	minutes  int
	keep     bool
	fresh    bool
	resume   bool
	list     bool
	asJSON   bool
}

// practiceISO is the word that takes the place of a file: the practice ISO of
// this version of Ringboot, which is made where it is not there yet.
const practiceISO = "practice"

// allDrills is the word for all of them.
const allDrills = "all"

func newRehearse(t *cli.Terminal) *cobra.Command {
	r := &rehearsing{t: t}
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Play the whole trip in virtual machines, from power-on to a cluster",
		Long: "rehearse builds the images of all nodes, starts one virtual machine per node with " +
			"its stick in it, cables them as a ring, and waits for the cluster. With --drill it " +
			"lets something go wrong on the way. No packet leaves the machines.\n\n" +
			"Without --iso the practice ISO is used: a Debian with stand-ins of the Proxmox " +
			"tools. With the real ISO everything but the hardware is real.",
		Example: "  rehearse\n  rehearse --iso proxmox-ve_9.2-1.iso --profile lab.yaml\n" +
			"  rehearse --list\n  rehearse --drill power-cut-one --seed 7\n  rehearse --drill all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.minutes < 1 && cmd.Flags().Changed("minutes") {
				return fault.Usage.Errorf("--minutes %d is no time: give at least 1", r.minutes)
			}
			return r.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&r.profile, "profile", "p", "", "profile (default "+imagebuilder.ProfileFile+", else the built-in one)")
	f.StringVar(&r.iso, "iso", practiceISO, "stock ISO, or \"practice\"")
	f.StringVar(&r.dir, "dir", "rehearsal", "directory for images, disks and the report")
	f.StringVar(&r.firmware, "firmware", string(qemu.UEFI), "uefi or bios")
	f.StringVar(&r.accel, "accel", "", "kvm or tcg (default: kvm if it really boots a kernel)")
	f.StringVar(&r.until, "until", "report", "the step of the plan that all nodes must have done")
	f.StringArrayVar(&r.drills, "drill", nil, "drill instead of a plain trip; several, or \"all\"")
	f.Uint64Var(&r.seed, "seed", 0, "seed of everything random in a drill (default: another each time)")
	f.IntVar(&r.minutes, "minutes", 0, "how long a trip may take (default: by ISO and accelerator)")
	f.BoolVar(&r.keep, "keep", false, "keep images and disks, too")
	f.BoolVar(&r.fresh, "fresh", false, "remove the machines that an earlier rehearsal left in --dir")
	f.BoolVar(&r.resume, "resume", false, "go on with the machines that an earlier rehearsal left in --dir")
	f.BoolVar(&r.list, "list", false, "list the drills")
	f.BoolVar(&r.asJSON, "json", false, "say the result as JSON")
	cli.Complete(cmd, "drill", func(context.Context) []string { return append(drillNames(), allDrills) })
	cli.Complete(cmd, "until", func(context.Context) []string { return profiles.Steps() })
	cli.Complete(cmd, "firmware", func(context.Context) []string { return []string{string(qemu.UEFI), string(qemu.BIOS)} })
	cli.Complete(cmd, "accel", func(context.Context) []string { return []string{string(qemu.KVM), string(qemu.TCG)} })
	return cmd
}

func drillNames() []string {
	var all []string
	for _, d := range rehearsal.Drills() {
		all = append(all, d.Name)
	}
	return all
}

// check refuses a wrong command line before anything begins.
func (r *rehearsing) check() error {
	oneOf := func(flag, value string, words ...string) error {
		if slices.Contains(words, value) {
			return nil
		}
		return fault.Usage.Errorf("--%s %q is none of %s", flag, value, strings.Join(words, ", "))
	}
	if err := oneOf("firmware", r.firmware, string(qemu.UEFI), string(qemu.BIOS)); err != nil {
		return err
	}
	if r.accel != "" {
		if err := oneOf("accel", r.accel, string(qemu.KVM), string(qemu.TCG)); err != nil {
			return err
		}
	}
	if err := oneOf("until", r.until, profiles.Steps()...); err != nil {
		return err
	}
	if r.fresh && r.resume {
		return fault.Usage.Errorf("--fresh and --resume exclude each other")
	}
	known := drillNames()
	if slices.Equal(r.drills, []string{allDrills}) {
		r.drills = known
	}
	for _, name := range r.drills {
		if !slices.Contains(known, name) {
			return fault.Usage.Errorf("there is no drill %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	if r.resume && len(r.drills) > 0 {
		return fault.Usage.Errorf("--resume goes on with a trip: a drill begins anew, with --fresh")
	}
	return nil
}

func (r *rehearsing) run(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.list {
		return r.listDrills()
	}
	p, from, err := imagebuilder.ReadProfile(r.profile, os.ReadFile)
	if err != nil {
		return err
	}
	if err := p.Resolve(imagebuilder.ReadKeyFile); err != nil {
		return fault.Profile.Errorf("%s: %w", from, err)
	}
	binary, err := agent.Open()
	look, lookErr := agent.Preflight()
	dir, dirErr := filepath.Abs(r.dir)
	if err := cmp.Or(err, lookErr, dirErr); err != nil {
		return err
	}
	stock, err := r.openISO(ctx, r.iso, "")
	if err != nil {
		return err
	}
	defer stock.Close()
	ready := rehearsal.Check(ctx, dir, len(p.Nodes), stock.Size, stock.Practice, qemu.Firmware(r.firmware), qemu.Accel(r.accel))
	if err := ready.Err(); err != nil {
		return err
	}
	show := newShower(r.t, ready.Expect)
	o := rehearsal.DrillOptions{
		Options: rehearsal.Options{
			Profile: p, Base: stock.Base, Agent: binary, Look: look, Builder: version, Dir: dir, Old: r.old(),
			Firmware: qemu.Firmware(r.firmware), Accel: ready.Accel, Say: show.event,
		},
		Until: r.until, Seed: r.seed, Patient: time.Duration(r.minutes) * time.Minute, Table: show.table, Done: r.account,
	}
	if r.minutes == 0 {
		o.Patient = ready.Expect * patience
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	r.t.Say("rehearsing %s of %s with %s: %d machines, %d MiB of memory, accelerator %s; about %s each trip, at most %s",
		p.Cluster.Name, from, stock.Name, len(p.Nodes), ready.MemoryMiB, ready.Accel, ready.Expect, o.Patient)
	defer show.end()
	if len(r.drills) == 0 {
		return r.trip(ctx, o, show)
	}
	if slices.Contains(r.drills, "other-version") && stock.Practice {
		other, err := r.openISO(ctx, practiceISO, otherVersion)
		if err != nil {
			return err
		}
		defer other.Close()
		o.Other = other.Base
	}
	return r.drill(ctx, o, show)
}

// patience is how many times longer than expected a trip may take.
const patience = 3

// otherVersion is a version of pve-manager that the practice ISO does not have.
const otherVersion = "9.2.10"

func (r *rehearsing) old() rehearsal.Old {
	switch {
	case r.fresh:
		return rehearsal.Replace
	case r.resume:
		return rehearsal.Resume
	}
	return rehearsal.Refuse
}

// listDrills says which drills there are.
func (r *rehearsing) listDrills() error {
	type drill struct {
		Name string `json:"name"`
		Says string `json:"says"`
	}
	var all []drill
	for _, d := range rehearsal.Drills() {
		all = append(all, drill{d.Name, d.Says})
	}
	if r.asJSON {
		return cli.JSON(r.t.Stdout, struct {
			Version int     `json:"version"`
			Drills  []drill `json:"drills"`
		}{1, all})
	}
	for _, d := range all {
		fmt.Fprintln(r.t.Stdout, cli.Hang(fmt.Sprintf("%-16s ", d.Name), d.Says, r.t.Width()))
	}
	return nil
}

// openISO opens the stock ISO that is named, or the practice ISO with that
// version of pve-manager.
func (r *rehearsing) openISO(ctx context.Context, path, manager string) (*imagebuilder.Opened, error) {
	if path == practiceISO {
		var err error
		path, err = base.PracticeOf(ctx, manager, func(text string) { r.t.Say("practice ISO: %s", text) })
		if err != nil {
			return nil, err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fault.Precondition.Errorf("no place for what is known of files: %w", err)
	}
	p := r.t.Progress("checksum of the stock ISO", stick.Bytes)
	defer p.End()
	stock, err := imagebuilder.OpenFile(ctx, path, filepath.Join(cache, "ringboot", "sums"), p.At)
	if err != nil {
		return nil, err
	}
	if doubt := stock.Doubt(); doubt != "" {
		r.t.Warn("risk: %s", doubt)
	}
	return stock, nil
}
