package nodetest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// probePort is how the agent has a port looked at by itself.
const probePort = "/usr/lib/ringboot/firstboot probe-port"

// probe reports whether a port finds the gateway by itself.
func (m *Machine) probe(cmd host.Cmd, _ float64) host.Result {
	for _, n := range m.o.NICs {
		if n.Name == cmd.Argv[len(cmd.Argv)-2] && (n.Wired || n.Answers) {
			return ok("")
		}
	}
	return bad(5, "nobody answers for the gateway on this port")
}

// reads are the commands that change nothing.
var reads = []string{"dpkg-query", "visudo", "sshd", "chronyc", "ping", "ip -4", "ip -6", "ip neigh", probePort, "systemctl is-active", "systemctl is-enabled", "postconf -h", "pvesubscription get"}

// Run runs a stand-in.
func (m *Machine) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	return m.run(cmd, 1)
}

// RunPartly runs a stand-in until the power goes in the middle of it.
func (m *Machine) RunPartly(_ context.Context, cmd host.Cmd) { m.run(cmd, 0.5) }

func (m *Machine) run(cmd host.Cmd, part float64) (host.Result, error) {
	line := strings.Join(cmd.Argv, " ")
	isRead := slices.ContainsFunc(reads, func(r string) bool { return line == r || strings.HasPrefix(line, r+" ") })
	if isRead != cmd.ReadOnly {
		m.fail(fmt.Sprintf("%s: run as read-only %v", line, cmd.ReadOnly))
	}
	if !isRead {
		m.Calls = append(m.Calls, line)
	}
	tool := map[string]func(host.Cmd, float64) host.Result{
		"dpkg-query": m.dpkgQuery, "dpkg": m.dpkg, "apt-get": m.apt,
		"useradd": m.useradd, "groupadd": m.groupadd, "chpasswd": m.chpasswd,
		"visudo": m.visudo, "sshd": m.sshd, "systemctl": m.systemctl, "systemd-run": m.systemdRun,
		"chronyc": m.chronyc, "ifreload": m.ifreload, "ping": m.ping, "ip": m.ip, "/usr/lib/ringboot/firstboot": m.probe,
		"postconf": m.postconf, "pvesubscription": m.pvesubscription,
	}[cmd.Argv[0]]
	if tool == nil {
		return host.Result{}, fmt.Errorf("%s is %w", cmd.Argv[0], host.ErrMissing)
	}
	return tool(cmd, part), nil
}

func ok(out string) host.Result { return host.Result{Stdout: []byte(out)} }
func bad(code int, text string) host.Result {
	return host.Result{Code: code, Stderr: []byte(text + "\n")}
}

// dpkg's database is one line per package: name and status.
const statusFile = "/var/lib/dpkg/status"

func (m *Machine) dpkgQuery(cmd host.Cmd, _ float64) host.Result {
	out, code := "", 0
	for _, name := range cmd.Argv[4:] {
		found := false
		for l := range strings.Lines(m.read(statusFile)) {
			if strings.HasPrefix(l, name+" ") {
				out, found = out+l, true
			}
		}
		if !found {
			code = 1
		}
	}
	return host.Result{Stdout: []byte(out), Code: code}
}

func (m *Machine) dpkg(host.Cmd, float64) host.Result {
	m.put(statusFile, strings.ReplaceAll(m.read(statusFile), " half-configured", " installed"))
	if strings.Contains(m.read(statusFile), "chrony installed") {
		m.link("/usr/lib/systemd/system/chrony.service", chronyWanted)
		m.startService("chrony")
	}
	return ok("")
}

func (m *Machine) apt(cmd host.Cmd, part float64) host.Result {
	if slices.Contains(cmd.Argv, "update") {
		if !m.o.Online { // rc 0: apt-get update only warns
			return host.Result{Stderr: []byte("W: Failed to fetch http://deb.example.org/debian/dists/trixie/InRelease  Temporary failure resolving 'deb.example.org'\nW: Some index files failed to download.\n")}
		}
		return ok("Reading package lists...\n")
	}
	if !slices.Contains(cmd.Argv, "-y") {
		return bad(1, "Abort.")
	}
	if strings.Contains(m.read(statusFile), "half-configured") {
		return bad(100, "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.")
	}
	at := slices.Index(cmd.Argv, "install")
	if !m.o.Online {
		return bad(100, "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?")
	}
	for i, name := range cmd.Argv[at+1:] {
		status := " installed\n"
		if part < 1 {
			status = " half-configured\n"
		}
		if !strings.Contains(m.read(statusFile), name+" ") {
			m.put(statusFile, m.read(statusFile)+name+status)
		}
		if part < 1 && i == 0 {
			return ok("")
		}
		if name == "chrony" {
			m.link("/usr/lib/systemd/system/chrony.service", chronyWanted)
			m.startService("chrony")
		}
	}
	return ok("")
}

func (m *Machine) has(path, name string) bool {
	for l := range strings.Lines(m.read(path)) {
		if strings.HasPrefix(l, name+":") {
			return true
		}
	}
	return false
}

func (m *Machine) useradd(cmd host.Cmd, part float64) host.Result {
	name := cmd.Argv[len(cmd.Argv)-1]
	switch {
	case m.has("/etc/passwd", name):
		return bad(9, "useradd: user '"+name+"' already exists")
	case m.has("/etc/group", name) && !slices.Contains(cmd.Argv, "--gid"):
		return bad(9, "useradd: group "+name+" exists - if you want to add this user to that group, use -g.")
	}
	uid := 1000 + strings.Count(m.read("/etc/passwd"), ":/home/")
	comment := ""
	if i := slices.Index(cmd.Argv, "--comment"); i > 0 {
		comment = cmd.Argv[i+1]
	}
	m.put("/etc/passwd", m.read("/etc/passwd")+fmt.Sprintf("%s:x:%d:%d:%s:/home/%s:/bin/bash\n", name, uid, uid, comment, name))
	if part < 1 {
		return ok("") // no shadow entry, no group, no home
	}
	m.put("/etc/shadow", m.read("/etc/shadow")+name+":!:20000:0:99999:7:::\n")
	if !m.has("/etc/group", name) {
		m.put("/etc/group", m.read("/etc/group")+fmt.Sprintf("%s:x:%d:\n", name, uid))
	}
	m.MkdirAll("/home/"+name, 0o700)
	m.Chown("/home/"+name, uid, uid)
	return ok("")
}

func (m *Machine) groupadd(cmd host.Cmd, _ float64) host.Result {
	name := cmd.Argv[len(cmd.Argv)-1]
	if m.has("/etc/group", name) {
		return bad(9, "groupadd: group '"+name+"' already exists")
	}
	m.put("/etc/group", m.read("/etc/group")+name+":x:"+cmd.Argv[2]+":\n")
	return ok("")
}

func (m *Machine) chpasswd(cmd host.Cmd, part float64) host.Result {
	name, hash, _ := strings.Cut(strings.TrimSpace(string(cmd.Stdin)), ":")
	if !m.has("/etc/passwd", name) {
		return bad(1, "chpasswd: (user "+name+") does not exist")
	}
	if part < 1 {
		return ok("")
	}
	var out strings.Builder
	for l := range strings.Lines(m.read("/etc/shadow")) {
		if !strings.HasPrefix(l, name+":") {
			out.WriteString(l)
		}
	}
	out.WriteString(name + ":" + hash + ":20000:0:99999:7:::\n")
	m.put("/etc/shadow", out.String())
	return ok("")
}

var sudoRule = regexp.MustCompile(`^(#.*|[a-z_][a-z0-9_-]* ALL=\(ALL:ALL\) (NOPASSWD: )?ALL)?$`)

func (m *Machine) visudo(cmd host.Cmd, _ float64) host.Result {
	if !strings.Contains(m.read(statusFile), "sudo installed") {
		return bad(127, "visudo: not found")
	}
	files := []string{"/etc/sudoers.d/ringboot"}
	if i := slices.Index(cmd.Argv, "-f"); i > 0 {
		files = []string{cmd.Argv[i+1]}
	}
	for _, f := range files {
		if info, err := m.Stat(f); err == nil && info.Mode().Perm() != 0o440 {
			return bad(1, f+": bad permissions, should be mode 0440")
		}
		for i, l := range strings.Split(m.read(f), "\n") {
			if !sudoRule.MatchString(l) {
				return bad(1, fmt.Sprintf("%s:%d: syntax error", f, i+1))
			}
		}
	}
	return ok("")
}

func (m *Machine) sshd(cmd host.Cmd, _ float64) host.Result {
	if !m.there("/run/sshd") {
		return bad(255, "Missing privilege separation directory: /run/sshd")
	}
	text := ""
	if i := slices.Index(cmd.Argv, "-f"); i > 0 {
		text = m.read(cmd.Argv[i+1])
	} else {
		entries, _ := m.ReadDir("/etc/ssh/sshd_config.d")
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				text += m.read("/etc/ssh/sshd_config.d/" + e.Name())
			}
		}
		text += m.read("/etc/ssh/sshd_config")
	}
	settings := map[string]string{}
	for l := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(l), " ")
		switch {
		case key == "" || strings.HasPrefix(key, "#") || key == "Include":
		case key == "PermitRootLogin" || key == "PasswordAuthentication" || key == "KbdInteractiveAuthentication":
			if _, set := settings[strings.ToLower(key)]; !set { // the first one wins
				settings[strings.ToLower(key)] = strings.Replace(value, "prohibit-password", "without-password", 1)
			}
		default:
			return bad(255, "/etc/ssh/sshd_config: Bad configuration option: "+key)
		}
	}
	out := ""
	for k, v := range settings {
		out += k + " " + v + "\n"
	}
	return ok(out)
}

func (m *Machine) systemctl(cmd host.Cmd, part float64) host.Result {
	verb := cmd.Argv[1]
	unit := cmd.Argv[len(cmd.Argv)-1]
	m.mu.Lock()
	_, active := m.running[unit]
	_, timer := m.timers[strings.TrimSuffix(unit, ".timer")]
	m.mu.Unlock()
	installed := unit != "chrony" || strings.Contains(m.read(statusFile), "chrony installed")
	switch verb {
	case "is-active":
		if active {
			return ok("active\n")
		}
		return host.Result{Stdout: []byte("inactive\n"), Code: 3}
	case "is-enabled":
		if m.there(chronyWanted) {
			return ok("enabled\n")
		}
		return host.Result{Stdout: []byte("disabled\n"), Code: 1}
	case "enable":
		if !installed {
			return bad(1, "Failed to enable unit: Unit file chrony.service does not exist.")
		}
		m.link("/usr/lib/systemd/system/chrony.service", chronyWanted)
	case "reload", "restart":
		if !installed {
			return bad(5, "Failed to "+verb+" "+unit+".service: Unit "+unit+".service not found.")
		}
		if part >= 1 {
			m.startService(unit)
		}
	case "stop":
		if !timer {
			return bad(5, "Failed to stop "+unit+": Unit "+unit+" not loaded.")
		}
		m.mu.Lock()
		delete(m.timers, strings.TrimSuffix(unit, ".timer"))
		m.mu.Unlock()
	}
	return ok("")
}

func (m *Machine) systemdRun(cmd host.Cmd, part float64) host.Result {
	name := strings.TrimPrefix(cmd.Argv[1], "--unit=")
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.timers[name]; there {
		return bad(1, "Failed to start transient timer unit: Unit "+name+".timer was already loaded or has a fragment file.")
	}
	for _, a := range cmd.Argv {
		if s, isDelay := strings.CutPrefix(a, "--on-active="); isDelay && part >= 1 {
			n, _ := strconv.Atoi(s)
			m.timers[name] = m.Clock.Now().Add(time.Duration(n) * time.Second)
		}
	}
	return ok("Running timer as unit: " + name + ".timer\n")
}

func (m *Machine) chronyc(cmd host.Cmd, _ float64) host.Result {
	m.mu.Lock()
	_, active := m.running["chrony"]
	m.mu.Unlock()
	switch {
	case !active:
		return bad(1, "506 Cannot talk to daemon")
	case cmd.Argv[len(cmd.Argv)-1] == "sources":
		if m.o.Synced {
			return ok("^,*,10.203.3.1,2,6,377,12,0.000010,0.000011,0.000200\n")
		}
		return ok("^,?,10.203.3.1,0,6,0,4294967295,0,0,0\n")
	case m.o.Synced:
		return ok("0ACB0301,10.203.3.1,3,1763874000.1,0.000012,0.00001,0.00002,1.2,0.0,0.1,0.02,0.001,64.2,Normal\n")
	}
	return ok("00000000,,0,0.0,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n")
}

func (m *Machine) ifreload(_ host.Cmd, part float64) host.Result {
	_, bond := m.stanzas()["bond0"]
	if m.o.Broken && bond {
		part = 0.5
	}
	m.bringUp(part)
	if bond && (m.o.Broken || m.o.Grumbles) {
		return bad(1, "error: vmbr0: cmd '/sbin/brctl stp vmbr0 off' failed\nwarning: /sbin/brctl: missing")
	}
	return ok("")
}

func (m *Machine) ping(cmd host.Cmd, _ float64) host.Result {
	to := cmd.Argv[len(cmd.Argv)-1]
	if m.wired() && (to == m.o.Gateway || slices.Contains(m.o.Peers, to)) {
		return ok("1 packets transmitted, 1 received, 0% packet loss\n")
	}
	m.Clock.Advance(time.Second)
	return host.Result{Code: 1, Stdout: []byte("1 packets transmitted, 0 received, 100% packet loss\n")}
}

func (m *Machine) ip(cmd host.Cmd, _ float64) host.Result {
	if cmd.Argv[1] == "neigh" || cmd.Argv[1] == "link" {
		return ok("")
	}
	if address := m.read("/sys/class/net/vmbr0/.address"); address != "" {
		if cmd.Argv[1] == "-6" {
			out := "7: vmbr0    inet6 fe80::5a47:caff:fe00:1/64 scope link \\       valid_lft forever preferred_lft forever\n"
			for one := range strings.FieldsSeq(m.read("/sys/class/net/vmbr0/.address6")) {
				out += "7: vmbr0    inet6 " + one + " scope global \\       valid_lft forever preferred_lft forever\n"
			}
			return ok(out)
		}
		return ok("7: vmbr0    inet " + address + " scope global vmbr0\\       valid_lft forever preferred_lft forever\n")
	}
	return bad(1, "Device \"vmbr0\" does not exist.")
}
