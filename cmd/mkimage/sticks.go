package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles"
)

func newSticks(t *terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "sticks",
		Short:   "List the devices that an image can be written to",
		Example: "  mkimage sticks\n  mkimage sticks --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			devices, err := stick.List(cmd.Context())
			if err != nil {
				return &exit{exitPrecondition, err}
			}
			if asJSON {
				if devices == nil {
					devices = []stick.Device{}
				}
				return writeJSON(t.stdout, struct {
					Version int            `json:"version"`
					Sticks  []stick.Device `json:"sticks"`
				}{1, devices})
			}
			if len(devices) == 0 {
				t.say("no stick is plugged in")
			}
			for _, d := range devices {
				note := ""
				if err := d.Refuse(0, false); err != nil {
					note = "  [" + strings.TrimPrefix(err.Error(), stick.ErrRefused.Error()+": "+d.Path+" ") + "]"
				}
				fmt.Fprintln(t.stdout, d.Describe()+note)
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
	d, err := stick.Find(ctx, m.stick)
	if err != nil {
		return &exit{exitPrecondition, err}
	}
	if err := m.confirmed(ctx, d, image.Size()); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	target, err := stick.Open(ctx, d.Path, self, m.t.stderr)
	if err != nil {
		return &exit{exitPrecondition, err}
	}
	p := m.t.progress("")
	err = stick.Write(ctx, target, image, image.Size(), p.stage)
	p.end()
	if err := errors.Join(err, target.Close()); err != nil {
		return err
	}
	m.t.say("written, read back and compared: %s", stick.Bytes(image.Size()))
	// Boot loader and installer know a medium by ids of the stock ISO.
	m.t.say("plug one such stick at a time into a machine: two made from one ISO cannot be told apart there")
	return m.result([]made{{Node: m.node, Path: d.Path, Bytes: image.Size(), Plan: image.Manifest.Plan, NodePlan: image.Manifest.NodePlan}})
}

// confirmed asks for the device's name, as often as the device demands.
func (m *making) confirmed(ctx context.Context, d stick.Device, size int64) error {
	if err := d.Refuse(size, true); err != nil {
		return err
	}
	times := 1
	if !d.Removable {
		times = 2
	}
	m.t.say("this erases %s", d.Describe())
	if len(m.confirm) > 0 {
		for _, word := range m.confirm {
			if !sameDevice(word, d.Path) {
				return &exit{exitRefused, fmt.Errorf("refused: --confirm=%s is not %s", word, d.Path)}
			}
		}
		return d.Refuse(size, len(m.confirm) >= times)
	}
	in := bufio.NewReader(m.t.stdin)
	for i := range times {
		again := ""
		if i > 0 {
			again = " again, because it is built in"
		}
		fmt.Fprintf(m.t.stderr, "type %s%s to go on: ", d.Path, again)
		word, err := answered(ctx, in)
		if err != nil {
			return err
		}
		if strings.TrimSpace(word) != d.Path {
			return &exit{exitRefused, fmt.Errorf("refused: %s was not confirmed, nothing was written", d.Path)}
		}
	}
	return nil
}

// answered reads a line. An interrupt does not end the read, so the wait for
// it ends instead: the process does too, then.
func answered(ctx context.Context, in *bufio.Reader) (string, error) {
	type answer struct {
		word string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		word, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		read <- answer{word, err}
	}()
	select {
	case a := <-read:
		return a.word, a.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// sameDevice tells whether a word names the device, directly or through a link.
func sameDevice(word, path string) bool {
	if word == path {
		return true
	}
	real, err := filepath.EvalSymlinks(word)
	return err == nil && real == path
}

// newOpenDevice is run as root by mkimage itself: it opens the device and hands
// the descriptor back.
func newOpenDevice(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:    stick.OpenCommand + " DEVICE",
		Short:  "Open a device as root and hand its descriptor to mkimage",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			out, ok := t.stdout.(*os.File)
			if !ok {
				return usage("%s hands a descriptor over: it is run by mkimage only", stick.OpenCommand)
			}
			return stick.HandOver(args[0], out)
		},
	}
}

func newRearm(t *terminal) *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "rearm DEVICE|IMAGE",
		Short: "Arm a spent stick again, so that it installs once more",
		Long: "rearm gives a stick its ticket back: the next machine that boots it is installed\n" +
			"without a question, unless it carries the mark of an installed node.",
		Example: "  mkimage rearm /dev/sdb\n  mkimage rearm --confirm=/dev/sdb /dev/sdb",
		Args:    cobra.ExactArgs(1),
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

func rearm(ctx context.Context, t *terminal, path, confirm string) error {
	is, err := os.Stat(path)
	if err != nil {
		return &exit{exitPrecondition, err}
	}
	var b block
	size := is.Size()
	if is.Mode().IsRegular() {
		if b, err = os.OpenFile(path, os.O_RDWR, 0); err != nil {
			return &exit{exitPrecondition, err}
		}
	} else {
		d, err := stick.Find(ctx, path)
		if err != nil {
			return &exit{exitPrecondition, err}
		}
		m := &making{t: t}
		if confirm != "" {
			m.confirm = []string{confirm, confirm}
		}
		t.say("its ticket is rewritten, one block; the rest stays")
		if err := m.confirmed(ctx, d, 0); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if b, err = stick.Open(ctx, d.Path, self, t.stderr); err != nil {
			return &exit{exitPrecondition, err}
		}
		size = d.Size
	}
	defer b.Close()
	was, err := armTicket(b, size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.say("%s was %s; it is armed for %s", path, was, was.Node)
	return b.Sync()
}

// armTicket rewrites the one block of the ticket, and only if it is a ticket.
func armTicket(b block, size int64) (was profiles.Ticket, err error) {
	aligned := stick.Aligned(b)
	img, err := iso9660.Open(aligned, size)
	if err != nil {
		return was, err
	}
	f, err := img.Lookup(profiles.TicketFile)
	if err != nil || len(f.Extents) != 1 || f.Size != profiles.TicketSize {
		return was, &exit{exitPrecondition, errors.New("it carries no ticket: it was not made by mkimage")}
	}
	text, err := img.ReadFile(f.Path, profiles.TicketSize)
	if err != nil {
		return was, err
	}
	if was, err = profiles.ParseTicket(text); err != nil {
		return was, &exit{exitPrecondition, err}
	}
	armed := profiles.Ticket{State: profiles.TicketArmed, Node: was.Node, ClusterID: was.ClusterID}
	_, err = aligned.WriteAt(armed.Encode(), f.Extents[0].Off)
	return was, err
}
