package standin

import "strings"

// unitName is the state of a daemon's unit: kind mon, mgr, mds, osd.
func unitName(kind, id string) string { return "ceph-" + kind + "@" + id }

func wantsPath(kind, id string) string {
	return "/etc/systemd/system/ceph-" + kind + ".target.wants/" + unitName(kind, id) + ".service"
}

func daemonDir(kind, id string) string { return "/var/lib/ceph/" + kind + "/ceph-" + id }

func stoppedMark(kind, id string) string { return "/run/ceph/stopped-" + kind + "." + id }

// daemonUp tells whether a daemon runs: enabled units start at boot, and
// nothing of /run outlives the power.
func daemonUp(m Machine, kind, id string) bool {
	return m != nil && exists(m, daemonDir(kind, id)) && exists(m, wantsPath(kind, id)) && !exists(m, stoppedMark(kind, id))
}

// cephUnit is systemctl for units of Ceph. ok is false for any other unit.
func cephUnit(c *Call, verb, unit string, now bool) (code int, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(unit, ".service"), "ceph-")
	kind, id, at := strings.Cut(rest, "@")
	if !ok || !at {
		return 0, strings.HasSuffix(unit, ".target") && ok
	}
	switch verb {
	case "is-active":
		if daemonUp(c, kind, id) {
			c.Outf("active\n")
			return 0, true
		}
		c.Outf("inactive\n")
		return 3, true
	case "enable":
		if !exists(c, wantsPath(kind, id)) {
			enable(c, kind, id)
		}
		if now {
			_ = c.Remove(stoppedMark(kind, id))
		}
	case "disable":
		_ = c.Remove(wantsPath(kind, id))
		if now {
			_ = c.WriteDirect(stoppedMark(kind, id), nil)
		}
	case "stop":
		_ = c.WriteDirect(stoppedMark(kind, id), nil)
	case "start", "restart":
		if !exists(c, daemonDir(kind, id)) {
			c.Errf("Job for %s.service failed because the control process exited with error code.\n", unitName(kind, id))
			return 1, true
		}
		_ = c.Remove(stoppedMark(kind, id))
	}
	return 0, true
}
