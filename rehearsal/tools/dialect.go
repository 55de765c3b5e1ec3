package tools

import (
	"regexp"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/spelling"
	"ringboot/rehearsal/sim"
	"ringboot/rehearsal/tools/shell"
)

// Speak makes all nodes of a world what the first ISO of a release installs: the
// tools answer in its words. Without it a world has the newest release. Where no
// recording of a release exists, its words are derived from the public source of
// the version that its ISO has; profiles.Releases names them.
func Speak(w *sim.World, release string) error {
	r, _, err := profiles.ReleaseOf(release)
	if err != nil {
		return err
	}
	w.Versions = []string{
		"proxmox-ve: " + r.Name + ".0 (running kernel: 6.17.2-1-pve)",
		"pve-manager: " + r.Manager + " (running version: " + r.Manager + "/0000000000000000)",
		"corosync: 3.1.10-pve3", "libknet1: 1.31-pve1", "pve-cluster: " + r.Name + ".6",
	}
	for _, name := range w.Names() {
		w.Node(name).Versions = slices.Clone(w.Versions)
	}
	return nil
}

// kvmKeyboards are the layouts that the cluster's options take.
var kvmKeyboards = strings.Fields("de de-ch da en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it ja lt mk nl no pl pt pt-br sv sl tr")

const setUsage = "pvesh set <api_path> [OPTIONS] [FORMAT_OPTIONS]"

// refusedOption checks options of the datacenter as the API's schema does.
func refusedOption(c *sim.Call, opt map[string]string) (code int, refused bool) {
	if k, set := opt["keyboard"]; set && !slices.Contains(kvmKeyboards, k) {
		return shell.NotInEnumeration(c, "keyboard", k, kvmKeyboards, setUsage), true
	}
	if m, set := opt["email_from"]; set && !spelling.MailSender(m) && !regexp.MustCompile(`^[\w+~-]+(\.[\w+~-]+)*$`).MatchString(m) {
		return c.Usage("email_from", "invalid format - value does not look like a valid email address or user name\n", setUsage), true
	}
	return 0, false
}
