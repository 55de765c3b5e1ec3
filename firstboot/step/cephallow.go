package step

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/firstboot/pve"
)

// tolerated are the health warnings with which Ceph counts as ready, each with
// the reason. They are shown as risks and in the report.
var tolerated = map[string]string{
	"MON_DISK_LOW":            "The system disk of a monitor is fuller than 70 %; it stops below 5 % free. Make room on it.",
	"MGR_MODULE_DEPENDENCY":   "A module of the manager that Proxmox VE does not use lacks a library.",
	"RECENT_MGR_MODULE_CRASH": "A module of the manager crashed once; ceph crash ls shows it.",
	"POOL_TOO_FEW_PGS":        "The autoscaler will add placement groups as data comes.",
	"POOL_TOO_MANY_PGS":       "The autoscaler will merge placement groups.",
	"TELEMETRY_CHANGED":       "Telemetry is off and asks to be looked at; nothing is sent.",
	"BLUESTORE_SLOW_OP_ALERT": "A disk was slow for a moment; look at it if it stays.",
}

// settling are the warnings that go by themselves, and what they wait for.
var settling = map[string]string{
	"MON_CLOCK_SKEW":           "the clocks differ by more than 0.05 s: chrony sets them, Ceph looks again every five minutes",
	"MGR_DOWN":                 "no manager is active yet",
	"TOO_FEW_OSDS":             "OSDs are missing",
	"OSD_DOWN":                 "an OSD is down",
	"OSD_HOST_DOWN":            "all OSDs of a node are down",
	"PG_AVAILABILITY":          "placement groups are not ready yet",
	"PG_DEGRADED":              "copies are being made",
	"MON_DOWN":                 "a monitor is not in quorum",
	"OSD_SLOW_PING_TIME_BACK":  "the ring is slow between OSDs: look at the ring",
	"OSD_SLOW_PING_TIME_FRONT": "the ring is slow between OSDs: look at the ring",
	"RECENT_CRASH":             "a daemon has crashed: ceph crash ls shows it, ceph crash archive-all puts it aside once it is understood",
}

// deadly are the ones that need a person.
var deadly = map[string]string{
	"OSD_FULL":         "an OSD is full and nothing can be written: add disks or delete data",
	"OSD_NEARFULL":     "an OSD is nearly full: add disks or delete data",
	"OSD_BACKFILLFULL": "an OSD is too full to take copies: add disks or delete data",
	"POOL_FULL":        "a pool is full: add disks or delete data",
}

// healthVerdict tells whether Ceph is ready: "" and the tolerated warnings, or
// what it waits for; stop is set where waiting does not help.
func healthVerdict(h pve.Health, osds int) (wait, stop string, allowed []pve.Check) {
	for _, c := range h.Checks {
		if c.Muted {
			continue
		}
		if why, bad := deadly[c.Code]; bad {
			return "", fmt.Sprintf("Ceph: %s (%s)", why, c.Message), nil
		}
		if _, ok := tolerated[c.Code]; ok {
			allowed = append(allowed, c)
			continue
		}
		if wait == "" {
			why, known := settling[c.Code]
			if !known {
				why = "see ceph health detail"
			}
			wait = fmt.Sprintf("Ceph says %q: %s", c.Message, why)
		}
	}
	switch {
	case wait != "":
	case h.Status == "HEALTH_ERR":
		wait = "Ceph is in HEALTH_ERR: see ceph health detail"
	case h.Up < osds || h.In < osds:
		wait = fmt.Sprintf("%d of %d OSDs are up and %d are in", h.Up, osds, h.In)
	case h.Clean < h.PGs:
		wait = fmt.Sprintf("%d of %d placement groups are clean", h.Clean, h.PGs)
	}
	return wait, "", allowed
}

func missingFrom(all, some []string) string {
	var out []string
	for _, n := range all {
		if !slices.Contains(some, n) {
			out = append(out, n)
		}
	}
	return strings.Join(out, ", ")
}
