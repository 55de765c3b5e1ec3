package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles/fault"
	"ringboot/profiles/medium"
	"ringboot/profiles/spelling"
)

func newSticks(t *cli.Terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "sticks",
		Short:   "List the devices that an image can be written to",
		Example: "  mkimage sticks\n  mkimage sticks --json",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			devices, err := stick.List(cmd.Context())
			if err != nil {
				return fault.Precondition.Wrap(err)
			}
			if asJSON {
				if devices == nil {
					devices = []stick.Device{}
				}
				return cli.JSON(t.Stdout, struct {
					Version int            `json:"version"`
					Sticks  []stick.Device `json:"sticks"`
				}{1, devices})
			}
			if len(devices) == 0 {
				t.Say("no stick is plugged in")
			}
			for _, d := range devices {
				note := ""
				if err := d.Refuse(0, false); err != nil {
					note = "  [" + strings.TrimPrefix(err.Error(), stick.ErrRefused.Error()+": "+d.Path+" ") + "]"
				}
				fmt.Fprintln(t.Stdout, d.Describe()+note)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

// toStick writes the image to the device that was asked for, once a person or
// the command line confirmed it.
func (m *making) toStick(ctx context.Context, image *imagebuilder.Image) error {
	d, err := findStick(ctx, m.stick)
	if err != nil {
		return err
	}
	m.t.Warn("this erases %s", d.Describe())
	if err := m.confirmed(ctx, d, image.Size()); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	target, err := stick.Open(ctx, d, self, m.t.Stderr)
	if err != nil {
		return precondition(err)
	}
	p := m.t.Progress("", stick.Bytes)
	err = stick.Write(ctx, target, image, image.Size(), p.Stage)
	p.End()
	if err := errors.Join(err, target.Close()); err != nil {
		return err
	}
	m.t.Say("written, read back and compared: %s", stick.Bytes(image.Size()))
	// Boot loader and installer know a medium by ids of the stock ISO.
	m.t.Say("plug one such stick at a time into a machine: two made from one ISO cannot be told apart there")
	return m.result([]made{{Node: image.Manifest.Node, Path: d.Path, Bytes: image.Size(), Plan: image.Manifest.Plan, NodePlan: image.Manifest.NodePlan}})
}

// findStick is the device that a person named, or what was meant.
func findStick(ctx context.Context, name string) (stick.Device, error) {
	d, err := stick.Find(ctx, name)
	if !errors.Is(err, fs.ErrNotExist) {
		return d, fault.Precondition.Wrap(err)
	}
	near := spelling.Nearest(filepath.Base(name), baseNames(devicePaths(ctx)))
	if near == "" {
		return d, fault.Precondition.Errorf("there is no device %s: mkimage sticks lists what is there", name)
	}
	return d, fault.Precondition.Errorf("there is no device %s: did you mean /dev/%s? mkimage sticks lists what is there", name, near)
}

// devicePaths are the devices that an image can be written to.
func devicePaths(ctx context.Context) []string {
	var out []string
	devices, err := stick.List(ctx)
	if err != nil {
		return nil
	}
	for _, d := range devices {
		out = append(out, d.Path)
	}
	return out
}

func baseNames(paths []string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, filepath.Base(p))
	}
	return out
}

// confirmed asks for the device's name, as often as the device demands.
func (m *making) confirmed(ctx context.Context, d stick.Device, size int64) error {
	if err := d.Refuse(size, true); err != nil {
		return err
	}
	times := 1
	if d.Refuse(size, false) != nil {
		times = 2
	}
	if len(m.confirm) > 0 {
		for _, word := range m.confirm {
			if !sameDevice(word, d.Path) {
				return fault.Refused.Errorf("refused: --confirm=%s is not %s", word, d.Path)
			}
		}
		return d.Refuse(size, len(m.confirm) >= times)
	}
	for i := range times {
		again := ""
		if i > 0 {
			again = " again, because it is built in"
			if d.Removable {
				again = " again, because it carries " + d.Carries()
			}
		}
		flag := strings.TrimSpace(strings.Repeat("--confirm="+d.Path+" ", times))
		word, err := m.t.Ask(ctx, fmt.Sprintf("type %s%s to go on:", d.Path, again), flag)
		if err != nil {
			return err
		}
		if word != d.Path {
			return fault.Refused.Errorf("refused: %s was not confirmed, nothing was written", d.Path)
		}
	}
	return nil
}

// precondition is the kind of a device that could not be opened, but of one
// that must not be written.
func precondition(err error) error {
	if errors.Is(err, stick.ErrRefused) {
		return err
	}
	return fault.Precondition.Wrap(err)
}

// sameDevice reports whether a word names the device, directly or through a link.
func sameDevice(word, path string) bool {
	if word == path {
		return true
	}
	real, err := filepath.EvalSymlinks(word)
	return err == nil && real == path
}

// newOpenDevice is run as root by mkimage itself: it opens the device and hands
// the descriptor back.
func newOpenDevice(t *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:    stick.OpenCommand + " DEVICE",
		Short:  "Open a device as root and hand its descriptor to mkimage",
		Hidden: true,
		Args:   cli.One("DEVICE"),
		RunE: func(_ *cobra.Command, args []string) error {
			out, ok := t.Stdout.(*os.File)
			if !ok {
				return fault.Usage.Errorf("%s hands a descriptor over: it is run by mkimage only", stick.OpenCommand)
			}
			return stick.HandOver(args[0], out)
		},
	}
}

func newRearm(t *cli.Terminal) *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "rearm DEVICE|IMAGE",
		Short: "Arm a spent stick again, so that it installs once more",
		Long: "rearm gives a stick its ticket back: the next machine that boots it is installed\n" +
			"without a question, unless it carries the mark of an installed node.",
		Example:           "  mkimage rearm /dev/sdb\n  mkimage rearm --confirm=/dev/sdb /dev/sdb",
		Args:              cli.One("DEVICE|IMAGE"),
		ValidArgsFunction: cli.Offer(devicePaths),
		RunE: func(cmd *cobra.Command, args []string) error {
			return rearm(cmd.Context(), t, args[0], confirm)
		},
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the device again, instead of being asked")
	return cmd
}

// block is what can be read and written in place: a device or an image file.
type block interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

func rearm(ctx context.Context, t *cli.Terminal, path, confirm string) error {
	is, err := os.Stat(path)
	if err != nil {
		return fault.Precondition.Wrap(err)
	}
	var b block
	size := is.Size()
	if is.Mode().IsRegular() {
		if b, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return fault.Precondition.Wrap(err)
		}
	} else {
		d, err := findStick(ctx, path)
		if err != nil {
			return err
		}
		m := &making{t: t}
		if confirm != "" {
			m.confirm = []string{confirm, confirm}
		}
		t.Warn("this rewrites the ticket, one block, of %s; the rest stays", d.Describe())
		if err := m.confirmed(ctx, d, 0); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if b, err = stick.Open(ctx, d, self, t.Stderr); err != nil {
			return precondition(err)
		}
		size = d.Size
	}
	defer b.Close()
	was, err := armTicket(b, size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := b.Sync(); err != nil {
		return err
	}
	if was.State == medium.TicketArmed {
		t.Say("%s is armed for %s, as it was before: it installs once", path, was.Node)
		return nil
	}
	t.Say("%s was %s; it is armed for %s now: it installs once more", path, was, was.Node)
	return nil
}

// armTicket rewrites the one block of the ticket, and only if it is a ticket.
func armTicket(b block, size int64) (was medium.Ticket, err error) {
	aligned := stick.Aligned(b)
	img, err := iso9660.Open(aligned, size)
	if err != nil {
		return was, err
	}
	if t, err := medium.FindTable(aligned); err == nil {
		if len(t.Ticket) > 1 {
			return was, fault.Precondition.New("it is a stick for all nodes, which gives each node's seed once: write it anew with mkimage --all --stick")
		}
		if gone, err := t.Seed.Wiped(aligned); err == nil && gone && t.Seed.Len > 0 {
			return was, fault.Precondition.New("its node has a key of its own by now and has overwritten the seed: make a new stick with mkimage reissue")
		}
	}
	f, err := img.Lookup(medium.TicketFile)
	if err != nil || len(f.Extents) != 1 || f.Size != medium.TicketSize {
		return was, fault.Precondition.New("it carries no ticket: it was not made by mkimage")
	}
	text, err := img.ReadFile(f.Path, medium.TicketSize)
	if err != nil {
		return was, err
	}
	if was, err = medium.ParseTicket(text); err != nil {
		return was, fault.Precondition.Wrap(err)
	}
	armed := medium.Ticket{State: medium.TicketArmed, Node: was.Node, ClusterID: was.ClusterID}
	_, err = aligned.WriteAt(armed.Encode(), f.Extents[0].Off)
	return was, err
}
