package tools

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

const userFile = sim.EtcPVE + "/user.cfg"

// pveum knows users and access rules.
func pveum(c *sim.Call) int {
	c.Work(600 * time.Millisecond)
	pos, opt := shell.Options(c.Argv[1:])
	if len(pos) < 2 {
		return c.Exit(255, "ERROR: no command specified")
	}
	switch pos[0] + " " + pos[1] {
	case "user list":
		return c.JSON(shell.Shuffled(c, userList(c)))
	case "acl list":
		return c.JSON(shell.Shuffled(c, aclList(c)))
	case "user add", "user modify":
		return pveumUser(c, pos, opt)
	case "acl modify":
		return pveumACL(c, pos, opt)
	}
	return c.Unknown(255, "pveum", pos...)
}

func pveumUser(c *sim.Call, pos []string, opt map[string]string) int {
	if len(pos) < 3 {
		return c.Usage("userid", "property is missing and it is not optional", "pveum user add <userid> [OPTIONS]")
	}
	raw, _ := c.ReadFile(userFile)
	known := strings.Contains("\n"+string(raw), "\nuser:"+pos[2]+":")
	switch {
	case pos[1] == "add" && known:
		return c.Exit(255, "create user failed: user '%s' already exists", pos[2])
	case pos[1] == "modify" && !known:
		return c.Exit(255, "update user failed: no such user ('%s')", pos[2])
	case pos[1] == "modify":
		return 0
	}
	return shell.WithLock(c, "file-user_cfg", func() error {
		raw, err := accounts(c)
		if err != nil {
			return err
		}
		return c.WriteDirect(userFile, fmt.Appendf(raw, "user:%s:1:0:::%s:%s::\n", pos[2], opt["email"], opt["comment"]))
	})
}

// accounts is user.cfg as it is written back: with root@pam, whom the real
// program takes for granted where the file does not name him.
func accounts(c *sim.Call) ([]byte, error) {
	const root = "user:root@pam:"
	raw, err := c.ReadFile(userFile)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	case strings.Contains("\n"+string(raw), "\n"+root):
		return raw, nil
	}
	return append([]byte(root+"1:0:::::\n"), raw...), nil
}

func pveumACL(c *sim.Call, pos []string, opt map[string]string) int {
	if len(pos) < 3 || opt["roles"] == "" {
		return c.Usage("roles", "property is missing and it is not optional", "pveum acl modify <path> --roles <string> [OPTIONS]")
	}
	return shell.WithLock(c, "file-user_cfg", func() error {
		raw, err := accounts(c)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("acl:1:%s:%s:%s:\n", pos[2], opt["users"], opt["roles"])
		if strings.Contains(string(raw), line) {
			return nil
		}
		return c.WriteDirect(userFile, append(raw, line...))
	})
}

func userList(m sim.Machine) []any {
	raw, _ := m.ReadFile(userFile)
	list := []any{shell.Object{"enable": 1, "realm-type": "pam", "userid": "root@pam"}}
	for _, l := range strings.Split(string(raw), "\n") {
		f := strings.Split(l, ":")
		if len(f) > 2 && f[0] == "user" && f[1] != "root@pam" {
			list = append(list, shell.Object{"enable": 1, "realm-type": "pam", "userid": f[1], "expire": 0})
		}
	}
	return list
}

func aclList(m sim.Machine) []any {
	raw, _ := m.ReadFile(userFile)
	var list []any
	for _, l := range strings.Split(string(raw), "\n") {
		f := strings.Split(l, ":")
		if len(f) > 4 && f[0] == "acl" {
			list = append(list, shell.Object{"path": f[2], "propagate": 1, "roleid": f[4], "type": "user", "ugid": f[3]})
		}
	}
	return list
}

func getUsers(c *sim.Call, _ string, _ map[string]string) (any, int) {
	return shell.Shuffled(c, userList(c)), 0
}

func getACL(c *sim.Call, _ string, _ map[string]string) (any, int) {
	return shell.Shuffled(c, aclList(c)), 0
}
