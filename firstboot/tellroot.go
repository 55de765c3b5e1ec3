package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
)

// toldNumber is the number of the last notice that was sent.
const toldNumber = stateDir + "/told-number"

// Bounds of a message: it comes from a program that listens to the network.
const (
	maxNotice  = 400
	maxNotices = 20
)

// TellRoot sends what the keeper asks to be told, once, as mail to root: on
// Proxmox VE root's mail goes into its notification system, whose targets and
// matchers decide who gets it.
func TellRoot(ctx context.Context, o Options) error {
	h := host.New(o.Root)
	text, err := h.Files.ReadFile(keeper.NoticeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []keeper.Notice
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("read what is to be told: %w", err)
	}
	last := 0
	if text, err := h.Files.ReadFile(toldNumber); err == nil {
		last, _ = strconv.Atoi(strings.TrimSpace(string(text))) // a damaged number: everything is told again
	}
	if n := len(all); n > 0 && all[n-1].Number < last {
		last = 0 // the keeper counts anew
	}
	var lines []string
	newest := last
	for _, n := range all {
		if n.Number > last {
			lines, newest = append(lines, n.At.Local().Format(time.DateTime)+" "+printable(n.Text)), n.Number
		}
	}
	if len(lines) == 0 {
		return nil
	}
	lines = lines[max(0, len(lines)-maxNotices):]
	_, first, _ := strings.Cut(lines[0], " ")
	_, first, _ = strings.Cut(first, " ")
	mail := fmt.Sprintf("To: root\nSubject: Ringboot: %s\nContent-Type: text/plain; charset=utf-8\n\n%s\n", short(first), strings.Join(lines, "\n"))
	if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"sendmail", "root"}, Stdin: []byte(mail)}); err != nil {
		return fmt.Errorf("tell root: %w", err)
	}
	return h.Files.WriteFile(toldNumber, fmt.Appendf(nil, "%d\n", newest), 0o600)
}

// printable makes one line of a text that came from outside.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, text)
	return string([]rune(text)[:min(maxNotice, len([]rune(text)))])
}

// short fits a subject.
func short(text string) string {
	const most = 70
	if r := []rune(text); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return text
}
