package cluster

import (
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// PlaceFile says that this machine took the place of a lost one of its name,
// and since when. What the lost one left in the cluster goes by it; it goes
// itself when the report tells of the new machine.
const PlaceFile = "/var/lib/ringboot/place"

// HeirFile says that the cluster had been finished when this machine came. It
// stays: see Heir.
const HeirFile = "/var/lib/ringboot/heir"

// takePlace writes them down, before this machine has anything of the cluster.
func (s *Cluster) takePlace(heir bool) error {
	if Taken(s.o.Host.Files) != "" {
		return nil
	}
	since := s.o.Host.Clock.Now().UTC().Format(time.RFC3339)
	files := []string{PlaceFile}
	if heir {
		files = []string{HeirFile, PlaceFile} // the place comes last: with it this is done
	}
	for _, file := range files {
		if err := s.o.Host.Files.WriteFile(file, []byte(s.o.Node+" "+since+"\n"), 0o600); err != nil {
			return fmt.Errorf("note that this machine takes the place of the lost %s: %w", s.o.Node, err)
		}
	}
	return nil
}

// Taken is whose place this machine took, and since when; "" where it took none.
func Taken(f host.Files) string {
	text, err := host.ReadOptional(f, PlaceFile)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Heir reports whether this machine came to a cluster that had been finished.
// What is written once for all of it has been then, and is its owner's: users,
// options, pools. A founder's new machine must not write it again.
func Heir(f host.Files) bool {
	_, err := f.Lstat(HeirFile)
	return err == nil
}
