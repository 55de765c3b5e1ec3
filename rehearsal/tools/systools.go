package tools

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

func quorumtool(c *sim.Call) int {
	c.Work(30 * time.Millisecond)
	q, ok := c.Corosync()
	if !ok {
		return c.Exit(1, "Cannot initialize CMAP service")
	}
	c.Outf("%s", quorumText(q, c.Now(), false))
	if !q.Quorate {
		return 2
	}
	return 0
}

func cfgtool(c *sim.Call) int {
	c.Work(30 * time.Millisecond)
	q, ok := c.Corosync()
	if !ok {
		return c.Exit(1, "Could not initialize corosync configuration API error 2")
	}
	switch strings.Join(c.Argv[1:], " ") {
	case "-s":
		c.Outf("%s", linksText(q))
	case "-n":
		c.Outf("%s", neighboursText(q))
	case "-R":
		if n := sim.NodeOf(c.Machine); n != nil && n.Overtaken() {
			return c.Exit(1, "Could not reload configuration. Error CS_ERR_TRY_AGAIN")
		}
		c.Outf("Reloading corosync.conf...\nDone\n")
	}
	return 0
}

// systemctl knows the verbs that the tools and the agent use. is-active is 0
// if any of the units is active.
func systemctl(c *sim.Call) int {
	c.Work(30 * time.Millisecond)
	pos, _ := shell.Options(c.Argv[1:], "quiet", "q", "now", "no-pager", "no-block", "failed", "full")
	if len(pos) == 0 {
		return 0
	}
	verb, units := pos[0], pos[1:]
	if n := sim.NodeOf(c.Machine); n != nil && verb == "reboot" {
		n.Reboot()
		return 0
	}
	if slices.ContainsFunc(units, func(u string) bool { return strings.HasSuffix(u, ".target") }) {
		return 0
	}
	switch verb {
	case "is-active":
		code := 3
		for _, u := range units {
			state := c.UnitState(strings.TrimSuffix(u, ".service"))
			c.Outf("%s\n", state)
			if state == "active" {
				code = 0
			}
		}
		return code
	case "start", "stop", "restart", "reload", "reset-failed", "try-restart", "reload-or-restart":
		// pve-cluster is ordered before corosync, whatever the command line says
		code := 0
		for _, u := range ordered(units) {
			if err := c.Unit(verb, u); err != nil {
				c.Errf("%v\n", err)
				code = 1
			}
		}
		return code
	case "enable", "disable":
		verbs := []string{verb}
		if slices.Contains(c.Argv, "--now") {
			verbs = append(verbs, map[string]string{"enable": "start", "disable": "stop"}[verb])
		}
		for _, u := range ordered(units) {
			for _, v := range verbs {
				if !strings.Contains(u, "@") { // the others are enabled for good
					continue
				}
				if err := c.Unit(v, u); err != nil {
					return c.Exit(1, "%v", err)
				}
			}
		}
		return 0
	case "daemon-reload", "mask", "unmask", "is-enabled":
		return 0
	}
	return c.Exit(1, "Unknown command verb '%s'.", verb)
}

func ordered(units []string) (out []string) {
	for _, u := range units {
		if u = strings.TrimSuffix(u, ".service"); u == "pve-cluster" {
			out = slices.Insert(out, 0, u)
		} else {
			out = append(out, u)
		}
	}
	return out
}

func sqlite3(c *sim.Call) int {
	if len(c.Argv) < 2 {
		return 1
	}
	raw, err := c.ReadFile(c.Argv[1])
	if err != nil { // the real one makes an empty database of an absent one
		c.Outf("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n")
		return 0
	}
	c.Outf("%s", sim.Dump(raw))
	return 0
}

func syncTool(c *sim.Call) int {
	c.Work(100 * time.Millisecond)
	_ = c.Sync()
	return 0
}

func pveversion(c *sim.Call) int {
	c.Work(600 * time.Millisecond)
	version := cmp.Or(shell.ManagerOf(c.Machine), "9.2.11")
	lines := []string{"pve-manager/" + version + "/0000000000000000 (running kernel: 6.17.2-1-pve)"}
	if len(c.Argv) > 1 && (c.Argv[1] == "-v" || c.Argv[1] == "--verbose") {
		lines = []string{"proxmox-ve: 9.2.0 (running kernel: 6.17.2-1-pve)", "pve-manager: " + version + " (running version: " + version + "/0000000000000000)", "corosync: 3.1.10-pve3"}
		if n := sim.NodeOf(c.Machine); n != nil {
			lines = n.Versions
		}
	}
	c.Outf("%s\n", strings.Join(lines, "\n"))
	return 0
}
