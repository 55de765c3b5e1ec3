package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ringboot/firstboot/early"
	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
	"ringboot/firstboot/look"
	"ringboot/firstboot/preflight"
	"ringboot/profiles/medium"
)

// automatic is the word by which the medium's menu starts the unattended
// installation. Without it a person is at the machine, and decides.
const automatic = "proxmox-start-auto-installer"

// Times of a start.
const (
	findMedium = 20 * time.Second // for a stick that is slow to appear
	settle     = 2 * time.Minute
	countdown  = 10 * time.Second
)

// columns is what every text console has.
const columns = 80

func main() {
	mounts, err := early.Mount()
	if err != nil {
		stop(early.OpenConsole(), err)
	}
	words, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		stop(early.OpenConsole(), err)
	}
	if cmdline := strings.Fields(string(words)); slices.Contains(cmdline, automatic) {
		console := early.OpenConsole()
		if err := judge(console, slices.Contains(cmdline, medium.Again)); err != nil {
			stop(console, err)
		}
		console.Close()
	}
	err = early.HandOver(mounts, os.Args, os.Environ())
	if _, again := early.Mount(); again != nil {
		err = errors.Join(err, again)
	}
	stop(early.OpenConsole(), err)
}

// judge looks at the machine and returns only if the installer may start.
func judge(console *early.Console, again bool) error {
	begun := time.Now()
	fmt.Fprint(console, "\nRingboot preflight looks at this machine ...\n")
	text, err := os.ReadFile(filepath.Join(early.Directory, medium.PlanFile))
	if err != nil {
		return err
	}
	plan, err := medium.ParsePlan(text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), settle)
	defer cancel()
	seen, err := lookAt(ctx, plan, begun)
	if err != nil {
		return err
	}
	seen.Again = again
	known, err := inventoryOf(seen)
	if err != nil {
		return err
	}
	stick, err := seen.OpenStick()
	if err != nil {
		return err
	}
	fmt.Fprintf(console, "preflight: looked for %.1f s\n", time.Since(begun).Seconds())
	s := preflight.Session{Plan: plan, Facts: seen.Facts, Stick: stick, Console: console, Inventory: known, Now: time.Now, Countdown: countdown, Columns: columns}
	next, err := s.Run(context.Background())
	if stick != nil {
		err = errors.Join(err, stick.Close())
	}
	if err != nil {
		return err
	}
	switch next {
	case preflight.GoOn:
		return nil
	case preflight.Reboot:
		fmt.Fprint(console, "Starts again in 5 s.\n")
		time.Sleep(5 * time.Second)
		unix.Sync()
		return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	case preflight.PowerOff:
		return probed(console, plan, seen, stick != nil)
	}
	wait(console)
	return nil
}

// lookAt looks at the machine when its devices are there. That nothing follows is
// waited for while it looks; what does is looked at with all the rest.
func lookAt(ctx context.Context, plan medium.Plan, begun time.Time) (look.Seen, error) {
	search, err := early.NewSearch()
	if err != nil {
		return look.Seen{}, err
	}
	for {
		err := search.Until(ctx, func() bool { return time.Since(begun) > findMedium || look.Found(plan.Image) })
		seen, quiet := look.Seen{}, false
		if err == nil {
			seen = look.Machine(plan)
			quiet, err = search.Quiet(ctx)
		}
		if err != nil {
			return seen, fmt.Errorf("the devices of this machine do not come to rest: %w", err)
		}
		if quiet {
			return seen, nil
		}
	}
}

// inventoryOf reads the inventory as the agent does. What udev would have noted
// by now was worked out.
func inventoryOf(seen look.Seen) ([]byte, error) {
	h := host.New("")
	h.Files = noted{h.Files, seen.Records}
	h.Commands = nil
	return json.Marshal(inventory.Read(context.Background(), h))
}

// noted are the files of the machine, with what udev would have noted.
type noted struct {
	host.Files
	records map[string]map[string]string
}

func (n noted) ReadFile(path string) ([]byte, error) {
	id, ok := strings.CutPrefix(path, "/run/udev/data/")
	if !ok {
		return n.Files.ReadFile(path)
	}
	var b strings.Builder
	for key, value := range n.records[id] {
		fmt.Fprintf(&b, "E:%s=%s\n", key, value)
	}
	return []byte(b.String()), nil
}

// stop says why nothing goes on, and waits.
func stop(c *early.Console, err error) {
	fmt.Fprintf(c, "\nSTOPPED, nothing was erased: %v\n", err)
	wait(c)
}

// wait ends the machine when a person says so, and never by itself: whoever
// comes by is to read the sentence.
func wait(c *early.Console) {
	c.Forget()
	fmt.Fprint(c, "Press Enter to switch off.\n")
	for {
		if k, err := c.Key(context.Background()); err == nil && (k == '\r' || k == '\n') {
			unix.Sync()
			_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
		}
	}
}
