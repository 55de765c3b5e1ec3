package firstboot

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	draw "ringboot/firstboot/trust/view"
)

const (
	consoleDevice = "/dev/tty1"
	consoleTTY    = 4<<8 | 1 // device number of tty1, as in the field tty_nr of /proc/PID/stat
	consoleWidth  = 80
	consoleEvery  = 2 * time.Second
	consoleQuiet  = 6 * time.Second // while nothing happens
)

// consoleService shows the card on the machine's own screen, as long as nobody
// works there. When the cluster is formed it is drawn once more and then left alone.
func consoleService(p *Parts, quiet func() bool) Service {
	return Service{Name: "console", Run: func(ctx context.Context) error {
		tick := time.NewTimer(0)
		defer tick.Stop()
		<-tick.C
		last := ""
		for {
			s := p.Status()
			card := draw.Card(s, p.Node.Address.String(), consoleWidth)
			if card != last && !occupied(os.DirFS("/proc")) {
				if os.WriteFile(consoleDevice, []byte("\x1b[H\x1b[2J"+strings.ReplaceAll(card, "\n", "\r\n")+"\r\nPress Enter to log in.\r\n"), 0) != nil {
					<-ctx.Done() // a machine without a screen
					return nil
				}
				last = card
			}
			every := consoleEvery
			if quiet() {
				every = consoleQuiet
			}
			tick.Reset(every)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}
}

// occupied tells whether somebody logs in or works on the console: some other
// program than the one that waits for a name has it.
func occupied(proc fs.FS) bool {
	stats, err := fs.Glob(proc, "[0-9]*/stat")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(stats, func(file string) bool {
		text, err := fs.ReadFile(proc, file)
		if err != nil {
			return false // it ended
		}
		name, tty := parseStat(string(text))
		return tty == consoleTTY && name != "agetty"
	})
}

// parseStat reads name and terminal of a process (proc(5)): the name stands in
// parentheses and may hold anything.
func parseStat(text string) (name string, tty int) {
	from, to := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if from < 0 || to < from {
		return "", 0
	}
	fields := strings.Fields(text[to+1:])
	const ttyField = 4 // state ppid pgrp session tty_nr
	if len(fields) <= ttyField {
		return "", 0
	}
	tty, _ = strconv.Atoi(fields[ttyField])
	return text[from+1 : to], tty
}
