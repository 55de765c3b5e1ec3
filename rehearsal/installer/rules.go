package installer

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// label is one part of a host name.
var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// pinned is a name that a network card may get.
var pinned = regexp.MustCompile(`(?i)^[a-z][a-z0-9_]{1,20}([:.]\d+)?$`)

func str(table map[string]any, key string) string { s, _ := table[key].(string); return s }

func strs(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, e.(string)) // fits has seen it
	}
	return out
}

func strTable(v any) map[string]string {
	table, _ := v.(map[string]any)
	if table == nil {
		return nil
	}
	out := map[string]string{}
	for k, e := range table {
		out[k], _ = e.(string)
	}
	return out
}

// address is what HTML5 takes for an e-mail address.
var address = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" + mailLabel + `(?:\.` + mailLabel + ")*$")

const mailLabel = `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?`

// nobody is the address that stands in the real installer's form, and counts as none.
const nobody = "mail@example.invalid"

func fullName(name string) bool {
	labels := strings.Split(name, ".")
	return len(labels) >= 2 && !slices.ContainsFunc(labels, func(l string) bool { return !label.MatchString(l) }) &&
		strings.Trim(labels[0], "0123456789") != "" && len(name) <= 253
}

func (a *Answer) global(tables map[string]map[string]any, known Locales) error {
	g := tables["global"]
	for _, key := range []string{"keyboard", "country", "timezone", "mailto", "fqdn"} {
		if _, ok := g[key]; !ok {
			return fmt.Errorf("missing field `%s` in [global]", key)
		}
	}
	a.Keyboard, a.Timezone, a.FQDN = str(g, "keyboard"), str(g, "timezone"), str(g, "fqdn")
	if !slices.Contains(keyboards, a.Keyboard) {
		return fmt.Errorf("unknown variant `%s` of `keyboard`", a.Keyboard)
	}
	if country := str(g, "country"); !known.Countries[country] {
		return fmt.Errorf("country code '%s' is not valid", country)
	}
	if !known.Zones[a.Timezone] {
		return fmt.Errorf("timezone '%s' is not valid", a.Timezone)
	}
	if _, ok := g["fqdn"].(string); !ok {
		return fmt.Errorf("fqdn from DHCP: no lease was offered")
	}
	if !fullName(a.FQDN) {
		return fmt.Errorf("`fqdn` %q is no full host name", a.FQDN)
	}
	if !address.MatchString(str(g, "mailto")) || str(g, "mailto") == nobody {
		return fmt.Errorf("`mailto` %q is no e-mail address", str(g, "mailto"))
	}
	a.Password, a.PasswordHash = str(g, "root-password"), str(g, "root-password-hashed")
	if (a.Password == "") == (a.PasswordHash == "") {
		return fmt.Errorf("exactly one of `root-password` and `root-password-hashed` is needed")
	}
	if a.Password != "" && len(a.Password) < 8 {
		return fmt.Errorf("`root-password` is shorter than 8 bytes")
	}
	a.Keys = strs(g["root-ssh-keys"])
	a.RebootOnError, _ = g["reboot-on-error"].(bool)
	switch mode := str(g, "reboot-mode"); mode {
	case "", "reboot":
	case "power-off":
		a.PowerOff = true
	default:
		return fmt.Errorf("unknown variant `%s` of `reboot-mode`", mode)
	}
	return nil
}

func (a *Answer) network(tables map[string]map[string]any) error {
	n := tables["network"]
	fixed := []string{"cidr", "dns", "gateway", "filter"}
	switch source := str(n, "source"); source {
	case "from-dhcp":
		a.FromDHCP = true
		for _, key := range fixed {
			if _, ok := n[key]; ok {
				return fmt.Errorf("`%s` is not allowed with `from-dhcp`", key)
			}
		}
	case "from-answer":
		for _, key := range fixed {
			if _, ok := n[key]; !ok {
				return fmt.Errorf("missing field `%s` in [network]", key)
			}
		}
		var err error
		if a.Address, err = netip.ParsePrefix(str(n, "cidr")); err != nil || a.Address.Bits() == 0 {
			return fmt.Errorf("`cidr` %q is no address with a mask", str(n, "cidr"))
		}
		if a.Gateway, err = netip.ParseAddr(str(n, "gateway")); err != nil {
			return fmt.Errorf("`gateway`: %w", err)
		}
		if a.DNS, err = netip.ParseAddr(str(n, "dns")); err != nil {
			return fmt.Errorf("`dns`: %w", err)
		}
		if a.NICFilter = strTable(n["filter"]); len(a.NICFilter) == 0 {
			return fmt.Errorf("no filter defined")
		}
	default:
		return fmt.Errorf("missing field `source` in [network]")
	}
	return a.pinning(n)
}

// pinning reads the names that ports are to get.
func (a *Answer) pinning(n map[string]any) error {
	pinning, ok := n["interface-name-pinning"].(map[string]any)
	if !ok {
		return nil
	}
	for key := range pinning {
		if key != "enabled" && key != "mapping" {
			return fmt.Errorf("unknown field `%s` in [network.interface-name-pinning]", key)
		}
	}
	if _, ok := pinning["enabled"].(bool); !ok {
		return fmt.Errorf("missing field `enabled` in [network.interface-name-pinning]")
	}
	a.Names = map[string]string{}
	taken := map[string]bool{}
	for mac, name := range strTable(pinning["mapping"]) {
		if !pinned.MatchString(name) || len(name) > 15 || taken[name] {
			return fmt.Errorf("interface name %q in [network.interface-name-pinning] is none, or taken", name)
		}
		taken[name] = true
		a.Names[strings.ToLower(mac)] = name
	}
	return nil
}

func (a *Answer) disks(tables map[string]map[string]any) error {
	d := tables["disk-setup"]
	a.Filesystem = str(d, "filesystem")
	own := map[string]string{"ext4": "lvm", "xfs": "lvm", "zfs": "zfs", "btrfs": "btrfs"}[a.Filesystem]
	if own == "" {
		return fmt.Errorf("unknown variant `%s` of `filesystem`", a.Filesystem)
	}
	for _, name := range []string{"lvm", "zfs", "btrfs"} {
		table, ok := d[name].(map[string]any)
		if !ok {
			continue
		}
		if name != own {
			return fmt.Errorf("make sure only '%s' options are set", own)
		}
		if _, err := checkTable("disk-setup."+name, table, options[name]); err != nil {
			return err
		}
	}
	if err := a.sizes(d, own); err != nil {
		return err
	}
	a.DiskList, a.DiskFilter, a.DiskFilterSecond = strs(d["disk-list"]), strTable(d["filter"]), str(d, "filter-match")
	if (len(a.DiskList) == 0) == (len(a.DiskFilter) == 0) {
		return fmt.Errorf("exactly one of `disk-list` and `filter` is needed in [disk-setup]")
	}
	if !slices.Contains([]string{"", "any", "all"}, a.DiskFilterSecond) {
		return fmt.Errorf("unknown variant `%s` of `filter-match`", a.DiskFilterSecond)
	}
	return a.listed(own)
}

// listed checks the disks that are named one by one.
func (a *Answer) listed(own string) error {
	if own == "lvm" && len(a.DiskList) > 1 {
		return fmt.Errorf("`disk-list` of %s has more than one disk", a.Filesystem)
	}
	if sorted := slices.Sorted(slices.Values(a.DiskList)); len(slices.Compact(sorted)) < len(a.DiskList) {
		return fmt.Errorf("`disk-list` names a disk twice")
	}
	if n := len(a.DiskList); own != "lvm" && n > 0 && n < raidDisks[a.Raid] {
		return fmt.Errorf("%s (%s) needs at least %d disks, `disk-list` has %d", own, a.Raid, raidDisks[a.Raid], n)
	}
	if n := len(a.DiskList); own != "lvm" && a.Raid == "raid10" && n%2 == 1 {
		return fmt.Errorf("%s (raid10) needs an even number of disks, `disk-list` has %d", own, n)
	}
	return nil
}

// sizes reads the options of the file system.
func (a *Answer) sizes(d map[string]any, own string) error {
	table, _ := d[own].(map[string]any)
	if own != "lvm" {
		levels := map[string][]string{"zfs": {"raid0", "raid1", "raid10", "raidz-1", "raidz-2", "raidz-3"}, "btrfs": {"raid0", "raid1", "raid10"}}
		if a.Raid = strings.ToLower(str(table, "raid")); !slices.Contains(levels[own], a.Raid) {
			return fmt.Errorf("unknown variant `%s` of `raid` in [disk-setup.%s]", a.Raid, own)
		}
	}
	a.HDSize = size(table, "hdsize")
	a.LVM = lvmOptions{swap: size(table, "swapsize"), maxroot: size(table, "maxroot"), maxvz: size(table, "maxvz"), minfree: size(table, "minfree")}
	if a.LVM.swap != nil && a.HDSize != nil && *a.LVM.swap > *a.HDSize/2 {
		return fmt.Errorf("`swapsize` %v GiB is more than half of `hdsize` %v GiB", *a.LVM.swap, *a.HDSize)
	}
	return nil
}

// size is a number of a table, nil where it is not there.
func size(table map[string]any, key string) *float64 {
	switch v := table[key].(type) {
	case int64:
		f := float64(v)
		return &f
	case float64:
		return &v
	}
	return nil
}
