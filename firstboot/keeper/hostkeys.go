package keeper

import (
	"strings"

	"ringboot/firstboot/host"
)

// HostKeys are the public keys of the node's sshd, a kind and a key each. They
// are no secret, and read anew each time: an owner may make new ones.
func HostKeys(f host.Files) (out []string) {
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		text, err := f.ReadFile("/etc/ssh/ssh_host_" + kind + "_key.pub")
		if err != nil {
			continue // sshd has none of this kind
		}
		if words := strings.Fields(string(text)); len(words) >= 2 {
			out = append(out, words[0]+" "+words[1])
		}
	}
	return out
}
