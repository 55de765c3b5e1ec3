package main

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles/medium"
)

// spend burns the ticket of an image file.
func spend(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd) // of a device, too
	if err != nil {
		return err
	}
	img, err := iso9660.Open(f, size)
	if err != nil {
		return err
	}
	where, err := img.Lookup(medium.TicketFile)
	if err != nil {
		return err
	}
	was, err := readTicket(f, size)
	if err != nil {
		return err
	}
	was.State, was.Date, was.By = medium.TicketSpent, "2026-11-23", "agent"
	if _, err = f.WriteAt(was.Encode(), where.Extents[0].Off); err != nil {
		return err
	}
	return f.Sync()
}

// Windows has no program of ours that writes sticks: it is said which does.
func TestTheNextStepFitsTheSystem(t *testing.T) {
	one := made{Node: "frege", Path: "lab-frege.iso"}
	for goos, want := range map[string]string{
		"windows": "write lab-frege.iso to a stick with Rufus, in DD image mode, or with balenaEtcher",
		"linux":   "write a stick with: mkimage --node frege --stick DEVICE (mkimage sticks lists them)",
		"darwin":  "write a stick with: mkimage --node frege --stick DEVICE (mkimage sticks lists them)",
	} {
		if got := toWrite(goos, one); got != want {
			t.Errorf("%s: %q, want %q", goos, got, want)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	term := cli.NewTerminal(nil, io.Discard, io.Discard)
	root := newRoot(term)
	if err := cli.Dress(root, term, version); err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden {
			continue
		}
		if !strings.Contains(c.Example, "mkimage") {
			t.Errorf("%s has no example", c.CommandPath())
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short text %q", c.CommandPath(), c.Short)
		}
	}
}
