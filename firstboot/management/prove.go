package management

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// consentFile lets lines go that contradict the profile. It counts once.
const consentFile = networkDir + "/consent"

// How long a port may take to come up, and the gateway to answer through it.
const (
	linkWait   = 6 * time.Second
	proveFor   = 5 * time.Second
	proveLimit = 10 * time.Second
)

// foreignBond names the ports of a bond of our name that has none of ours: it
// is somebody else's, whatever it carries.
func foreignBond(have string, ports []string) string {
	f := &interfaces{pieces: parseInterfaces(have)}
	at := f.find(bondName, "inet")
	if at < 0 {
		return ""
	}
	for _, line := range f.pieces[at].lines[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if key = strings.ReplaceAll(key, "_", "-"); key != "bond-slaves" && key != "slaves" {
			continue
		}
		value = strings.TrimSpace(value)
		for _, port := range ports {
			if slices.Contains(strings.Fields(value), port) {
				return ""
			}
		}
		if value != "" && value != "none" {
			return value
		}
	}
	return ""
}

// prove has each port that is to become a member find the gateway by itself
// first: one that is plugged into another network, as a port for remote
// management often is, must not end in a bond. A port without a cable proves
// nothing and harms nothing.
func (s *Management) prove(ctx context.Context, a aim) error {
	m := s.profile.Management
	gateway := m.Gateway
	if !gateway.IsValid() || !profiles.BondOf(m.Bond).Alone {
		return nil // a switch passes nothing on one port of a LACP group; the trial proves the bond
	}
	probe := []string{agentProgram, "probe-port"}
	if m.VLAN != 0 {
		probe = append(probe, "--vlan", strconv.Itoa(m.VLAN))
	}
	for _, l := range a.ports {
		if l.Master != "" {
			continue // it carries the network now
		}
		if _, err := host.Run(ctx, s.host.Commands, host.Cmd{Argv: []string{"ip", "link", "set", "dev", l.Name, "up"}, Timeout: proveLimit}); err != nil {
			return err
		}
		if up, err := s.linked(ctx, l); err != nil || !up {
			if err != nil {
				return err
			}
			continue
		}
		r, err := s.host.Commands.Run(ctx, host.Cmd{Argv: append(slices.Clone(probe), l.Name, gateway.String()), ReadOnly: true, Timeout: proveLimit})
		if err != nil {
			return err
		}
		if r.Code != 0 {
			s.failed = fmt.Sprintf("management port %s has a link and does not find the gateway %s: it is plugged into another network, as a port for remote management may be; plug it into the right one, or name other ports in nodes[].ports of %s", l.Name, gateway, s.node.Name)
			s.again = s.host.Clock.Now().Add(probeFor)
			return &step.NotYet{Reason: s.failed}
		}
	}
	return nil
}

// linked waits for a port's link.
func (s *Management) linked(ctx context.Context, l Link) (bool, error) {
	for end := s.host.Clock.Now().Add(linkWait); ; {
		if word(s.host.Files, netClass+"/"+l.Name+"/carrier") == "1" {
			return true, nil
		}
		if !s.host.Clock.Now().Before(end) {
			return false, nil
		}
		if err := s.host.Clock.Sleep(ctx, probePause); err != nil {
			return false, err
		}
	}
}

// ErrNoGateway says that nobody answered for the gateway's address.
var ErrNoGateway = errors.New("nobody answers for the gateway on this port")
