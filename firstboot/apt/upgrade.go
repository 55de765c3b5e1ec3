package apt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/host"
)

// Change is one package that an upgrade would bring to another version. A new
// one comes from nothing, and one that is removed goes to nothing.
type Change struct {
	Package string `json:"package"`
	From    string `json:"from,omitempty"`
	To      string `json:"to,omitempty"`
}

func (c Change) String() string {
	switch {
	case c.From == "":
		return c.Package + " " + c.To + " (new)"
	case c.To == "":
		return c.Package + " " + c.From + " (removed)"
	}
	return c.Package + " " + c.From + " -> " + c.To
}

// Changes are what apt-get full-upgrade would do, by what was last read of the
// sources. pins is a file of apt_preferences(5), "" for none. Nothing is changed.
func (s System) Changes(ctx context.Context, pins string) ([]Change, error) {
	argv := append(command(pinned(pins)...), "-s", "full-upgrade")
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: argv, ReadOnly: true, Timeout: limit})
	if err != nil {
		return nil, err
	}
	if r.Code != 0 {
		return nil, fmt.Errorf("apt-get -s full-upgrade: %s", words(host.LastLine(r)))
	}
	return ParseChanges(string(r.Stdout)), nil
}

// ParseChanges reads what apt-get -s prints:
//
//	Inst pve-manager [9.2.11] (9.2.14 Proxmox:stable [all])
//	Inst proxmox-kernel-6.17.4-1-pve-signed (6.17.4-1 Proxmox:stable [amd64])
//	Remv libold1 [1.0-1]
func ParseChanges(text string) []Change {
	var out []Change
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "Inst" && f[0] != "Remv" {
			continue
		}
		c := Change{Package: f[1]}
		rest := f[2:]
		if strings.HasPrefix(rest[0], "[") {
			c.From, rest = strings.Trim(rest[0], "[]"), rest[1:]
		}
		if f[0] == "Inst" && len(rest) > 0 {
			c.To = strings.TrimPrefix(rest[0], "(")
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Package, b.Package) })
	return out
}

// UpgradeCommand is the command line that brings the machine to what Changes
// says for the same pins.
func UpgradeCommand(pins string) []string { return append(command(pinned(pins)...), "full-upgrade") }

// Upgrade runs UpgradeCommand. Only Changes tells whether anything is left.
func (s System) Upgrade(ctx context.Context, pins string) error {
	if err := s.Finish(ctx); err != nil {
		return err
	}
	r, err := s.Host.Commands.Run(ctx, host.Cmd{Argv: UpgradeCommand(pins), Timeout: 3 * limit})
	if err != nil {
		return err
	}
	if why, ok := offline(r); ok && r.Code != 0 {
		return &Offline{why}
	}
	if r.Code != 0 {
		return fmt.Errorf("apt-get full-upgrade: %s", words(host.LastLine(r)))
	}
	return nil
}

// pinned has apt take a file in place of /etc/apt/preferences; the directory
// beside it counts as before. A set of versions may be older than what is there.
func pinned(file string) []string {
	if file == "" {
		return nil
	}
	return []string{"-o", "Dir::Etc::preferences=" + file, "--allow-downgrades"}
}

// Pins is a file of apt_preferences(5) that takes exactly these versions and
// goes back to an older one for it. own is what /etc/apt/preferences says.
func Pins(versions map[string]string, own string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		fmt.Fprintf(&b, "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", name, versions[name])
	}
	return b.String() + own
}
