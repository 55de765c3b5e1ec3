package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles/fault"
	"ringboot/profiles/medium"
)

// opened is an image file or a device, opened for reading.
type opened struct {
	*os.File
	size int64
}

func openImage(path string) (*opened, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Precondition.Wrap(err)
	}
	// The end is the size of a file and of a device alike.
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, fault.Precondition.Errorf("%s: %w", path, err)
	}
	return &opened{f, size}, nil
}

func newInspect(t *cli.Terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "inspect IMAGE|DEVICE",
		Short:   "Say what an image is and holds, and what a stick has done; secrets are not shown",
		Example: "  mkimage inspect philosophers-frege.iso\n  mkimage inspect --json /dev/sdb",
		Args:    cli.One("IMAGE|DEVICE"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := openImage(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			d, err := inspect.Describe(f, f.size)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			past := inspect.HistoryOf(f)
			if asJSON {
				return cli.JSON(t.Stdout, struct {
					inspect.Description
					History *inspect.History `json:"history,omitempty"`
				}{d, past})
			}
			describeImage(t.Stdout, d)
			if ticket, err := readTicket(f, f.size); err == nil {
				fmt.Fprintf(t.Stdout, "ticket:   %s\n", ticket)
			}
			if past != nil {
				past.Show(t.Stdout)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

func describeImage(w io.Writer, d inspect.Description) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-9s %s\n", name+":", cli.Clean(fmt.Sprintf(format, args...))) // whoever made the image chose its words
	}
	row("product", "%s %s-%s", d.LongName, d.Release, d.ISORelease)
	row("prepared", "%s", d.Prepared)
	row("size", "%s, %d files", stick.Bytes(d.Bytes), d.Files)
	row("found by", "%s (%s)", d.UUID, d.Label)
	for _, b := range d.Boot {
		row("boots", "%s", b.Firmware)
	}
	if d.Manifest == nil {
		return
	}
	m := d.Manifest
	row("node", "%s of cluster %s", m.Node, m.Cluster)
	row("plan", "%s of the cluster, %s of the node", m.Plan[:min(hashLetters, len(m.Plan))], m.NodePlan[:min(hashLetters, len(m.NodePlan))])
	row("made by", "mkimage %s from %s", m.Builder, m.Base.Name)
	for _, f := range m.Files {
		note := ""
		if f.Secret {
			note = " (secret)"
		}
		row("file", "%s %s%s", f.Path, stick.Bytes(f.Size), note)
	}
}

func readTicket(r io.ReaderAt, size int64) (medium.Ticket, error) {
	img, err := iso9660.Open(r, size)
	if err != nil {
		return medium.Ticket{}, err
	}
	text, err := img.ReadFile(medium.TicketFile, medium.TicketSize)
	if err != nil {
		return medium.Ticket{}, err
	}
	return medium.ParseTicket(text)
}

func newVerify(t *cli.Terminal) *cobra.Command {
	var asJSON, quick bool
	cmd := &cobra.Command{
		Use:   "verify IMAGE|DEVICE",
		Short: "Prove every file of an image or stick against its manifest",
		Long: "verify reads every file that mkimage put onto an image with two independent\n" +
			"readers, and the stock ISO under it, and holds them against the manifest.",
		Example: "  mkimage verify philosophers-frege.iso\n  mkimage verify /dev/sdb",
		Args:    cli.One("IMAGE|DEVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return verify(cmd.Context(), t, args[0], quick, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	cmd.Flags().BoolVar(&quick, "quick", false, "leave out the hash of the stock ISO, which reads everything")
	return cmd
}

func verify(ctx context.Context, t *cli.Terminal, path string, quick, asJSON bool) error {
	f, err := openImage(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := t.Progress("reading", stick.Bytes)
	result, err := inspect.Verify(ctx, f, f.size, inspect.Options{Quick: quick, Progress: p.At})
	p.End()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if asJSON {
		if err := cli.JSON(t.Stdout, result); err != nil {
			return err
		}
	} else {
		for _, f := range result.Files {
			word := "sound"
			if !f.Sound {
				word = "WRONG"
			}
			fmt.Fprintf(t.Stdout, "%s  %s\n", word, cli.Clean(f.Path))
		}
		if result.StockProven {
			fmt.Fprintln(t.Stdout, "sound  everything else (the stock ISO)")
		}
	}
	for _, problem := range result.Problems {
		t.Say("%s: %s", path, cli.Clean(problem))
	}
	if !result.Sound() {
		return fault.Unverified.Errorf("%s is not what its manifest says: make it again", path)
	}
	return nil
}

func newReset(t *cli.Terminal) *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:     "reset IMAGE",
		Short:   "Give back the stock ISO under an image, bit for bit",
		Example: "  mkimage reset philosophers-frege.iso                # in place\n  mkimage reset philosophers-frege.iso -o stock.iso",
		Args:    cli.One("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return reset(cmd.Context(), t, args[0], out, force)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write to this file and leave the image as it is")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the file of --out")
	return cmd
}

func reset(ctx context.Context, t *cli.Terminal, path, out string, force bool) error {
	f, err := openImage(path)
	if err != nil {
		return err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return err
	}
	if !is.Mode().IsRegular() {
		return fault.Precondition.Errorf("%s is no file; a stick is simply written anew", path)
	}
	stock, ok, err := iso9660.Original(f, f.size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !ok {
		return fault.Precondition.Errorf("%s: %w", path, inspect.ErrNotPrepared)
	}
	options := output.Options{Replace: force, Mode: is.Mode().Perm()}
	if out == "" {
		out, options.Replace, options.OverBase = path, true, true
	}
	p := t.Progress("writing "+out, stick.Bytes)
	options.Progress = p.At
	err = output.File(ctx, out, stock, options)
	p.End()
	if errors.Is(err, fs.ErrExist) {
		return fault.Refused.Errorf("%s is there already: --force overwrites it", out)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(t.Stdout, out)
	return nil
}
