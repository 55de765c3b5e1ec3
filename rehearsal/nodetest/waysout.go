package nodetest

import (
	"regexp"
	"strings"

	"ringboot/firstboot/host"
)

const (
	mailConf    = "/etc/postfix/main.cf"
	keyFile     = "/etc/subscription"
	keyIsActive = "active"
)

// postconf knows -h and -e of one setting.
func (m *Machine) postconf(cmd host.Cmd, part float64) host.Result {
	name, value, set := strings.Cut(cmd.Argv[2], "=")
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` *= *(.*)$`)
	switch {
	case cmd.Argv[1] == "-h":
		return ok(line.FindStringSubmatch(m.read(mailConf))[1] + "\n")
	case cmd.Argv[1] != "-e" || !set:
		return bad(1, "postconf: fatal: missing '=' after attribute name: "+cmd.Argv[2])
	case part >= 1: // it replaces the file in one
		m.put(mailConf, line.ReplaceAllString(m.read(mailConf), name+" = "+value))
	}
	return ok("")
}

// pvesubscription knows get and set. The key is kept before the shop is asked.
func (m *Machine) pvesubscription(cmd host.Cmd, part float64) host.Result {
	key, status, _ := strings.Cut(strings.TrimSpace(m.read(keyFile)), " ")
	switch {
	case cmd.Argv[1] == "get" && key == "":
		return ok("message: There is no subscription key\nserverid: 0123456789ABCDEF\nstatus: notfound\n")
	case cmd.Argv[1] == "get":
		return ok("checktime: 1795000000\nkey: " + key + "\nserverid: 0123456789ABCDEF\nsockets: 1\nstatus: " + status + "\n")
	case !regexp.MustCompile(`^pve[0-9]+[cbsp]-[0-9a-f]{10}$`).MatchString(cmd.Argv[2]):
		return bad(255, "400 Parameter verification failed.\nkey: value does not match the regex pattern")
	case strings.HasPrefix(cmd.Argv[2], "pve0"):
		return bad(255, "wrong number of sockets (0 < 1)")
	case part < 1 || !m.o.Online:
		m.put(keyFile, cmd.Argv[2]+" New\n")
		return bad(255, "error sending HTTP request - Connection failed")
	}
	m.put(keyFile, cmd.Argv[2]+" "+keyIsActive+"\n")
	return ok("")
}

// Offline takes the way out of the machine away, or gives it back.
func (m *Machine) Offline(off bool) { m.o.Online = !off }
