package storage

import (
	"fmt"
	"strings"

	"ringboot/firstboot/pve"
)

// Health is what the warnings of Ceph mean for a step. At most one of Wait and
// Stop is set.
type Health struct {
	Wait  string   // what it waits for; "" once the storage is sound
	Stop  string   // what needs a person
	Risks []string // warnings that pass, each with what to do
}

// JudgeHealth reports whether Ceph is ready. A warning passes as a risk once the
// monitors are in quorum, the OSDs up and in, and the placement groups active
// and clean; a short list holds a step back, and what Ceph calls an error does,
// unless it is known to be none for the data.
func JudgeHealth(h pve.Health, osds int) Health {
	var out Health
	for _, c := range h.Checks {
		row, known := codeOf(c.Code)
		failed := !known && c.Severity == "HEALTH_ERR"
		switch {
		case c.Muted:
		case known && row.class == stops:
			return Health{Stop: fmt.Sprintf("Ceph: %s (%s)", row.why, c.Message)}
		case known && row.class == holds:
			out.wait(fmt.Sprintf("Ceph says %q: %s", c.Message, row.why))
		case failed:
			out.wait(fmt.Sprintf("Ceph calls it an error: %q (%s), see ceph health detail", c.Message, c.Code))
		case known:
			out.Risks = append(out.Risks, fmt.Sprintf("Ceph warns: %s. %s", c.Message, row.why))
		default:
			out.Risks = append(out.Risks, fmt.Sprintf("Ceph warns: %s (%s). See ceph health detail.", c.Message, c.Code))
		}
	}
	switch {
	case len(h.Quorum) < h.Monitors:
		out.wait(fmt.Sprintf("%d of %d monitors are in quorum", len(h.Quorum), h.Monitors))
	case h.Up < osds || h.In < osds:
		out.wait(fmt.Sprintf("%d of %d OSDs are up and %d are in", h.Up, osds, h.In))
	case h.Clean < h.PGs:
		out.wait(fmt.Sprintf("%d of %d placement groups are clean", h.Clean, h.PGs))
	}
	return out
}

// wait keeps the first reason.
func (h *Health) wait(why string) {
	if h.Wait == "" {
		h.Wait = why
	}
}

// frozen is the flag that somebody who works on the disks has set, "" for none:
// what is down then is down on purpose.
func frozen(h pve.Health) string {
	for _, c := range h.Checks {
		if c.Code != "OSDMAP_FLAGS" && c.Code != "OSD_FLAGS" {
			continue
		}
		for _, flag := range []string{"noout", "noup", "norebalance", "norecover"} {
			if strings.Contains(c.Message, flag) {
				return flag
			}
		}
	}
	return ""
}
