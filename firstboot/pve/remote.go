package pve

import (
	"context"
	"fmt"
	"strings"

	"ringboot/firstboot/host"
)

// Remote runs commands on another member, over the SSH that Proxmox VE itself
// migrates with: root's key of the cluster, and the host key that lies in the
// other's directory of pmxcfs.
type Remote struct {
	Commands host.Commands // of this node
	Node     string
	Address  string
}

// sshLost is the exit status of ssh itself: there was no connection, or it broke.
const sshLost = 255

// Run is host.Commands. A connection that is not there, or breaks, is an error.
func (r Remote) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	words := []string{"env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	for _, w := range c.Argv {
		words = append(words, quoted(w))
	}
	argv := []string{"ssh", "-e", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "HostKeyAlias=" + r.Node,
		"-o", "UserKnownHostsFile=" + Dir + "/nodes/" + r.Node + "/ssh_known_hosts", "-o", "GlobalKnownHostsFile=none", "root@" + r.Address, "--"}
	far := c
	far.Argv, far.Env = append(argv, words...), nil
	res, err := r.Commands.Run(ctx, far)
	if err == nil && res.Code == sshLost {
		err = fmt.Errorf("%s cannot be reached with ssh: %s", r.Node, host.LastLine(res))
	}
	return res, err
}

// quoted is a word as the shell of the other end takes it whole.
func quoted(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@,+") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
