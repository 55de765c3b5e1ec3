package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ringboot/profiles/fault"
)

// screen is a terminal of some columns, and what was written to it so far. It
// fits into the terminal's own buffer, so nobody need read while it is written.
func screen(t *testing.T, columns uint16) (tty *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return tty, func() string {
		// The kernel hands it over bit by bit: what comes last says that it is all.
		const last = "<last>\n"
		if _, err := tty.WriteString(last); err != nil {
			t.Fatal(err)
		}
		all, buffer := "", make([]byte, 4096)
		for !strings.HasSuffix(all, last) {
			n, err := master.Read(buffer)
			if err != nil {
				t.Fatal(err)
			}
			all = strings.ReplaceAll(all+string(buffer[:n]), "\r\n", "\n")
		}
		return strings.TrimSuffix(all, last)
	}
}

func TestATerminalGetsWholeWords(t *testing.T) {
	tty, written := screen(t, 30)
	Report("trip", fault.Precondition.New("there is no bag here: take one from the cupboard"), tty)
	if got := written(); got != "trip: there is no bag here:\ntake one from the cupboard\n" {
		t.Errorf("an error: %q", got)
	}
	NewTerminal(nil, tty, tty).Say("%s", "packed one sock and another one")
	if got := written(); got != "packed one sock and another\none\n" {
		t.Errorf("a message: %q", got)
	}
}

// Colours are for terminals, and for those who want them.
func TestColoursCanBeSwitchedOff(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want bool
	}{
		"a terminal": {nil, nil, true},
		"--no-color": {[]string{"--no-color"}, nil, false},
		"NO_COLOR":   {nil, map[string]string{"NO_COLOR": "1"}, false},
		"TERM=dumb":  {nil, map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "")
			t.Setenv("TERM", "xterm")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			tty, written := screen(t, 80)
			term := NewTerminal(nil, tty, tty)
			root := &cobra.Command{Use: "trip", RunE: func(*cobra.Command, []string) error {
				term.Page(tty).Row(Red, "ERASES: ", "the disk")
				return nil
			}}
			if err := Execute(t.Context(), root, term, "1", c.args); err != nil {
				t.Fatal(err)
			}
			got := written()
			if strings.Contains(got, "\x1b[31m") != c.want || !strings.Contains(got, "ERASES: ") || !strings.Contains(got, "the disk") {
				t.Errorf("%q", got)
			}
		})
	}
}
