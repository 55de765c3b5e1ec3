// Package debian holds the stand-ins of what a node has of Debian: apt, dpkg,
// ssh, systemd-run. They keep one line for each package, lose what a power cut
// takes, and say what the real ones say. Practice machines have the real ones.
package debian

import (
	"slices"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/ceph"
	"ringboot/rehearsal/tools/shell"
)

// PackagesFile and SourcesFile are what is installed, and what the sources have.
const (
	PackagesFile = shell.PackagesFile
	SourcesFile  = shell.SourcesFile
	half         = "half"
)

func aptGet(c *sim.Call) int {
	var words []string
	pins, simulate := "", false
	for i := 1; i < len(c.Argv); i++ {
		switch w := c.Argv[i]; {
		case w == "-o" && i+1 < len(c.Argv):
			i++
			if file, ok := strings.CutPrefix(c.Argv[i], "Dir::Etc::preferences="); ok {
				pins = file
			}
		case w == "-s":
			simulate = true
		case !strings.HasPrefix(w, "-"):
			words = append(words, w)
		}
	}
	c.Work(2 * time.Second)
	switch strings.Join(words, " ") {
	case "update":
		raw, err := c.ReadFile(SourcesFile)
		if err != nil {
			return c.Exit(0, "W: Failed to fetch http://download.proxmox.com/debian/pve/dists/trixie/InRelease  Temporary failure resolving 'download.proxmox.com'\nW: Some index files failed to download. They have been ignored, or old ones used instead.")
		}
		_ = c.WriteDirect(shell.ListsFile, raw)
		return 0
	case "full-upgrade":
		return fullUpgrade(c, pins, simulate)
	}
	return c.Exit(100, "E: Invalid operation %s", strings.Join(words, " "))
}

// fullUpgrade brings every package to its pin, or to the last version in the lists.
func fullUpgrade(c *sim.Call, pins string, simulate bool) int {
	if !simulate {
		unlock, ok := c.Lock("/var/lib/dpkg/lock-frontend")
		if !ok {
			return c.Exit(100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (apt-get)")
		}
		defer unlock()
	}
	names, have := shell.Table(c, PackagesFile)
	_, offered := shell.Table(c, shell.ListsFile)
	pinned := shell.Pinned(c, pins)
	if slices.ContainsFunc(names, func(n string) bool { return slices.Contains(have[n], half) }) && !simulate {
		return c.Exit(100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. ")
	}
	for _, name := range names {
		list := offered[name]
		if len(list) == 0 {
			continue
		}
		to := strings.TrimPrefix(list[len(list)-1], shell.Gone)
		age := func(version string) int { // -1: older than all
			return slices.IndexFunc(list, func(v string) bool { return strings.TrimPrefix(v, shell.Gone) == version })
		}
		if age(have[name][0]) > age(to) {
			to = have[name][0] // nothing goes back by itself
		}
		if p := pinned[name]; slices.Contains(list, p) {
			to = p
		}
		if to == have[name][0] && !slices.Contains(have[name], half) {
			continue
		}
		if age(to) < age(have[name][0]) && !slices.Contains(c.Argv, "--allow-downgrades") {
			return c.Exit(100, "E: Packages were downgraded and -y was used without --allow-downgrades.")
		}
		if simulate {
			c.Outf("Inst %s [%s] (%s Proxmox:stable [amd64])\n", name, have[name][0], to)
			continue
		}
		setPackage(c, name, to, half)
		c.Work(4 * time.Second)
		setPackage(c, name, to)
	}
	return 0
}

// dpkgQuery is dpkg-query -W -f FORMAT [NAME ...], which fails over an unknown name.
func dpkgQuery(c *sim.Call) int {
	format, wanted := "", []string(nil)
	for i := 1; i < len(c.Argv); i++ {
		switch w := c.Argv[i]; {
		case (w == "-f" || w == "--showformat") && i+1 < len(c.Argv):
			i++
			format = strings.ReplaceAll(c.Argv[i], `\n`, "\n")
		case !strings.HasPrefix(w, "-"):
			wanted = append(wanted, w)
		}
	}
	c.Work(50 * time.Millisecond)
	names, have := shell.Table(c, PackagesFile)
	code := 0
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			c.Errf("dpkg-query: no packages found matching %s\n", w)
			code = 1
		}
	}
	for _, name := range names {
		if len(wanted) > 0 && !slices.Contains(wanted, name) {
			continue
		}
		status := "installed"
		if slices.Contains(have[name], half) {
			status = "half-configured"
		}
		c.Outf("%s", strings.NewReplacer("${Package}", name, "${db:Status-Status}", status, "${Version}", have[name][0], "${source:Package}", sourceOf(name)).Replace(format))
	}
	return code
}

// sourceOf is the source package that a package is made of.
func sourceOf(name string) string {
	if shell.OfCeph(name) {
		return "ceph"
	}
	return name
}

func setPackage(c *sim.Call, name string, state ...string) {
	names, have := shell.Table(c, PackagesFile)
	have[name] = state
	shell.SetPackages(c, names, have)
}

// configurePackages is dpkg --configure -a.
func configurePackages(c *sim.Call) {
	names, have := shell.Table(c, PackagesFile)
	for _, n := range names {
		if slices.Contains(have[n], half) {
			c.Work(2 * time.Second)
			setPackage(c, n, have[n][0])
		}
	}
}

// ssh runs a tool on another machine, as root of the cluster may.
func ssh(c *sim.Call) int {
	c.Work(300 * time.Millisecond)
	at := slices.Index(c.Argv, "--")
	if at < 1 {
		return c.Exit(255, "usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] destination [command [argument ...]]")
	}
	_, address, _ := strings.Cut(c.Argv[at-1], "@")
	far := c.Remote(address)
	argv := slices.Clone(c.Argv[at+1:])
	for len(argv) > 0 && (argv[0] == "env" || strings.Contains(argv[0], "=") && !strings.HasPrefix(argv[0], "-")) {
		argv = argv[1:]
	}
	n := sim.NodeOf(far)
	if far == nil || n == nil || !n.Powered() {
		c.Work(10 * time.Second)
		return c.Exit(255, "ssh: connect to host %s port 22: No route to host", address)
	}
	for i := range argv {
		argv[i] = strings.Trim(argv[i], "'")
	}
	tool, ok := sim.NodeOf(c.Machine).World().Tool(argv[0])
	if !ok {
		return c.Exit(127, "bash: line 1: %s: command not found", argv[0])
	}
	inner := &sim.Call{Machine: far, Argv: argv, Stdin: c.Stdin}
	code := tool(inner)
	c.Stdout.Write(inner.Stdout.Bytes())
	c.Stderr.Write(inner.Stderr.Bytes())
	return code
}

// systemdRun starts a unit of its own.
func systemdRun(c *sim.Call) int {
	c.Work(100 * time.Millisecond)
	unit, at := "", 1
	for ; at < len(c.Argv) && strings.HasPrefix(c.Argv[at], "--"); at++ {
		if v, ok := strings.CutPrefix(c.Argv[at], "--unit="); ok {
			unit = strings.TrimSuffix(v, ".service")
		}
	}
	n := sim.NodeOf(c.Machine)
	if n == nil || c.UnitState(unit) == "active" {
		return c.Exit(1, "Failed to start transient service unit: Unit %s.service was already loaded or has a fragment file.", unit)
	}
	n.Spawn(unit, c.Argv[at:])
	return c.Exit(0, "Running as unit: %s.service", unit)
}

func catTool(c *sim.Call) int {
	raw, err := c.ReadFile(c.Argv[1])
	if err != nil {
		return c.Exit(1, "cat: %s: No such file or directory", c.Argv[1])
	}
	c.Outf("%s", raw)
	return 0
}

func teeTool(c *sim.Call) int {
	if err := c.WriteDirect(c.Argv[1], c.Stdin); err != nil {
		return c.Exit(1, "tee: %s: %v", c.Argv[1], err)
	}
	c.Outf("%s", c.Stdin)
	return 0
}

// Tools are what a node has of Debian's that only a simulated one needs a
// stand-in for.
func Tools() map[string]sim.Tool {
	return map[string]sim.Tool{"apt-get": aptGet, "ssh": ssh, "systemd-run": systemdRun, "dpkg-query": dpkgQuery, "cat": catTool, "tee": teeTool, "dpkg": func(c *sim.Call) int {
		if slices.Contains(c.Argv, "-a") {
			configurePackages(c)
		}
		return ceph.Tools()["dpkg"](c)
	}}
}
