package management

import (
	"fmt"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
)

// linkDirs are where .link files lie, in the order of systemd.link(5).
var linkDirs = [...]string{"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network"}

// pinPath is the file that keeps the name of one port.
func pinPath(l Link) string { return linkDirs[0] + "/10-ringboot-" + l.Name + ".link" }

// pinText keeps a port's name though bus numbers shift, as they do when a
// disk is added.
func pinText(l Link) string {
	return fmt.Sprintf("# Written by ringboot: bus numbers shift when a disk or card is added.\n[Match]\nPermanentMACAddress=%s\n\n[Link]\nName=%s\n", l.MAC, l.Name)
}

// pinned reports whether a name cannot move: another file holds it, or it must
// not be held. A name of the kernel's own (eth0) cannot be given by udev.
func (s *Management) pinned(l Link) bool {
	if strings.HasPrefix(l.Name, "eth") || l.MAC == "" || l.Path == "" {
		return true
	}
	for _, dir := range linkDirs {
		entries, err := s.host.Files.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".link") {
				continue
			}
			text, err := s.host.Files.ReadFile(dir + "/" + e.Name())
			if err == nil && strings.Contains(strings.ToLower(string(text)), l.MAC) {
				return true
			}
		}
	}
	return host.Exists(s.host.Files, pinPath(l))
}

func (s *Management) pins(a aim) []step.Change {
	var out []step.Change
	for _, l := range a.ports {
		if !s.pinned(l) {
			out = append(out, step.Change{Object: pinPath(l), Want: "name " + l.Name + " pinned to " + l.MAC})
		}
	}
	return out
}

func (s *Management) pin(a aim) error {
	for _, l := range a.ports {
		if s.pinned(l) {
			continue
		}
		if err := s.host.Files.WriteFile(pinPath(l), []byte(pinText(l)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
