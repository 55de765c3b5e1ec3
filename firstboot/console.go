package firstboot

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/keeper"
	"ringboot/firstboot/status/draw"
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
func consoleService(p *Parts, quiet func() bool) keeper.Service {
	return keeper.Service{Name: "console", Run: func(ctx context.Context) error {
		tick := time.NewTimer(0)
		defer tick.Stop()
		<-tick.C
		last := ""
		for {
			s := p.Status()
			card := draw.Card(s, p.Node.Address.String(), consoleWidth)
			if card != last && !occupied(os.DirFS("/proc")) {
				if os.WriteFile(consoleDevice, []byte(screenOf(os.DirFS("/"), card)), 0) != nil {
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

// greeting is the text that Proxmox VE shows above the log-in: it names the
// address of the web interface.
const greeting = "etc/issue"

// screenOf is the console as a whole: Proxmox VE's own text, and the card below
// it. Lines with which agetty does something of its own are left out.
func screenOf(root fs.FS, card string) string {
	var b strings.Builder
	b.WriteString("\x1b[H\x1b[2J")
	line := func(text string) { b.WriteString(text + "\r\n") }
	text, _ := fs.ReadFile(root, greeting) // none: the card alone
	blank := true
	for l := range strings.Lines(string(text)) {
		l = strings.TrimRight(l, "\r\n")
		if strings.ContainsAny(l, "\\\x1b") || l == "" && blank {
			continue
		}
		line(l)
		blank = l == ""
	}
	for l := range strings.Lines(card) {
		line(strings.TrimRight(l, "\n"))
	}
	line("")
	line("Press Enter to log in.")
	return b.String()
}

// occupied reports whether somebody logs in or works on the console: some other
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
