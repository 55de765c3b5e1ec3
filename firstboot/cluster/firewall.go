package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"ringboot/firstboot/host"
	"ringboot/firstboot/pve"
	"ringboot/profiles"
)

// The cluster's rules of Proxmox VE's firewall, and our group in them.
const (
	firewallFile  = pve.Dir + "/firewall/cluster.fw"
	firewallGroup = "ringboot"
)

// firewallObject is how a change names the group.
const firewallObject = "firewall group " + firewallGroup

// groupRules are what must pass between the nodes once somebody switches the
// firewall on, which Ringboot never does: Proxmox VE lets its own ports and
// corosync's through by itself, and knows neither ours nor Ceph's.
func groupRules(p *profiles.Profile) []string {
	lan, ring := p.Management.Prefix.Masked(), p.Ring.Prefix.Masked()
	rule := func(from netip.Prefix, proto, ports, what string) string {
		source := ""
		if from.IsValid() {
			source = "-source " + from.String() + " "
		}
		return "IN ACCEPT " + source + "-p " + proto + " -dport " + ports + " -log nolog # " + what
	}
	var out []string
	for _, from := range slices.Compact([]netip.Prefix{lan, ring}) {
		out = append(out, rule(from, "tcp", fmt.Sprint(p.Agent.Port), "agents"))
	}
	out = append(out,
		rule(lan, "tcp", fmt.Sprint(p.Agent.StatusPort), "status page"),
		rule(lan, "udp", "5353", "mDNS"),
		rule(netip.Prefix{}, "udp", "7343", "the ring's hello")) // it comes from 0.0.0.0, as a DHCP request does
	if !p.Ceph.Enabled {
		return out
	}
	const ceph = "3300,6789,6800:7568"
	if public, cluster := p.CephNetworks(); lan != ring && (public == profiles.NetworkLAN || cluster == profiles.NetworkLAN) {
		out = append(out, rule(lan, "tcp", ceph, "Ceph"))
	}
	return append(out, rule(ring, "tcp", ceph, "Ceph"))
}

// withGroup is the file with our group and the rule that uses it. All else
// stays as it is.
func withGroup(have string, rules []string) string {
	header, use := "[group "+firewallGroup+"]", "GROUP "+firewallGroup
	var kept []string
	inside, used, section := false, false, false
	for line := range strings.Lines(have) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "[") {
			inside = strings.HasPrefix(strings.ToLower(line), header)
			section = section || strings.EqualFold(strings.TrimSpace(line), "[RULES]")
		}
		if inside {
			continue
		}
		used = used || strings.HasPrefix(strings.TrimSpace(line), use)
		kept = append(kept, line)
	}
	text := strings.TrimRight(strings.Join(kept, "\n"), "\n")
	switch {
	case used:
	case section:
		text = strings.Replace(text, "[RULES]", "[RULES]\n\n"+use, 1)
	default:
		text = strings.TrimLeft(text+"\n\n[RULES]\n\n"+use, "\n")
	}
	return text + "\n\n" + header + " # what Ringboot and Ceph need between the nodes\n\n" + strings.Join(rules, "\n") + "\n"
}

// firewallMissing lists the lines that are not there.
func (s *Proof) firewallMissing() ([]string, error) {
	have, err := host.ReadOptional(s.o.Host.Files, firewallFile)
	if err != nil {
		return nil, err
	}
	lines := map[string]bool{}
	for line := range strings.Lines(string(have)) {
		lines[strings.TrimSpace(line)] = true
	}
	var out []string
	for _, want := range append([]string{"GROUP " + firewallGroup}, groupRules(s.o.Profile)...) {
		if !lines[want] {
			out = append(out, want)
		}
	}
	return out, nil
}

// writeFirewall puts the group into the cluster's rules.
func (s *Proof) writeFirewall() error {
	have, err := host.ReadOptional(s.o.Host.Files, firewallFile)
	if err != nil {
		return err
	}
	if err := s.o.Host.Files.MkdirAll(pve.Dir+"/firewall", 0o755); err != nil {
		return fmt.Errorf("write the firewall's group: %w", err)
	}
	if err := s.o.Host.Files.WriteDirect(firewallFile, []byte(withGroup(string(have), groupRules(s.o.Profile)))); err != nil {
		return fmt.Errorf("write the firewall's group: %w", err)
	}
	return nil
}
