package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ringboot/imagebuilder/iso9660"
	"ringboot/profiles"
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
	where, err := img.Lookup(profiles.TicketFile)
	if err != nil {
		return err
	}
	was, err := readTicket(f, size)
	if err != nil {
		return err
	}
	was.State, was.Date, was.By = profiles.TicketSpent, "2026-11-23", "agent"
	if _, err = f.WriteAt(was.Encode(), where.Extents[0].Off); err != nil {
		return err
	}
	return f.Sync()
}

func TestProgressLine(t *testing.T) {
	for _, test := range []struct {
		done, total int64
		spent       time.Duration
		want        string
	}{
		{0, 1700e6, 0, "writing: 0 B of 1.7 GB, 0 %"},
		{850e6, 1700e6, 10 * time.Second, "writing: 850 MB of 1.7 GB, 50 %, 85 MB/s, 10s left"},
		{1700e6, 1700e6, 20 * time.Second, "writing: 1.7 GB of 1.7 GB, 100 %, 85 MB/s"},
		{5e6, 0, 500 * time.Millisecond, "writing: 5.0 MB"},
	} {
		if got := line("writing", test.done, test.total, test.spent); got != test.want {
			t.Errorf("%d of %d after %s: %q, want %q", test.done, test.total, test.spent, got, test.want)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	root := newRoot(&terminal{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}})
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden || c.Name() == "completion" || c.Name() == "help" {
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
