package installer

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Answer is what this installer uses of answer.toml. The whole file is
// checked: every key that the installer of 9.2 does not know is fatal.
type Answer struct {
	FQDN             string
	Timezone         string
	Keyboard         string
	Password         string // plain; one of the two is set
	PasswordHash     string
	Keys             []string
	RebootOnError    bool
	PowerOff         bool
	FromDHCP         bool
	Address          netip.Prefix
	Gateway, DNS     netip.Addr
	NICFilter        map[string]string
	Names            map[string]string // MAC to name
	Filesystem       string
	DiskList         []string
	DiskFilter       map[string]string
	DiskFilterSecond string // filter-match, without effect for ext4
}

// kind is what a key's value must be.
type kind int

const (
	text kind = iota
	flag
	number
	texts   // list of strings
	strmap  // table of strings
	textTab // string or table: fqdn
)

// schema lists the keys of each table with their kinds. Snake spellings are
// aliases of the kebab ones.
var schema = map[string]map[string]kind{
	"global": {
		"keyboard": text, "country": text, "timezone": text, "mailto": text, "fqdn": textTab,
		"root-password": text, "root-password-hashed": text, "root-ssh-keys": texts,
		"reboot-on-error": flag, "reboot-mode": text, "subscription-key": text,
	},
	"network": {"source": text, "cidr": text, "dns": text, "gateway": text, "filter": strmap, "interface-name-pinning": textTab},
	"disk-setup": {
		"filesystem": text, "disk-list": texts, "filter": strmap, "filter-match": text,
		"lvm": textTab, "zfs": textTab, "btrfs": textTab,
	},
	"first-boot":                {"source": text, "ordering": text, "url": text, "cert-fingerprint": text},
	"post-installation-webhook": {"url": text, "cert-fingerprint": text, "auth-token": text},
}

// options are the tables within disk-setup that belong to one file system.
var options = map[string]map[string]kind{
	"lvm":   {"hdsize": number, "swapsize": number, "maxroot": number, "maxvz": number, "minfree": number},
	"zfs":   {"raid": text, "ashift": number, "copies": number, "arc-max": number, "checksum": text, "compress": text, "hdsize": number},
	"btrfs": {"raid": text, "compress": text, "hdsize": number},
}

var keyboards = strings.Fields("de de-ch dk en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it jp lt mk nl no pl pt pt-br se si tr")

// ParseAnswer reads answer.toml as strictly as the installer of 9.2.
func ParseAnswer(content []byte) (Answer, error) {
	var file map[string]any
	if err := toml.Unmarshal(content, &file); err != nil {
		return Answer{}, fmt.Errorf("answer.toml: %w", err)
	}
	tables := map[string]map[string]any{}
	for name, value := range file {
		keys, known := schema[name]
		if !known {
			return Answer{}, fmt.Errorf("answer.toml: unknown field `%s`", name)
		}
		table, ok := value.(map[string]any)
		if !ok {
			return Answer{}, fmt.Errorf("answer.toml: `%s` is not a table", name)
		}
		clean, err := checkTable(name, table, keys)
		if err != nil {
			return Answer{}, err
		}
		tables[name] = clean
	}
	for _, name := range []string{"global", "network", "disk-setup"} {
		if tables[name] == nil {
			return Answer{}, fmt.Errorf("answer.toml: missing field `%s`", name)
		}
	}
	var a Answer
	for _, read := range []func(map[string]map[string]any) error{a.global, a.network, a.disks} {
		if err := read(tables); err != nil {
			return Answer{}, fmt.Errorf("answer.toml: %w", err)
		}
	}
	return a, nil
}

// checkTable returns the table under its kebab keys.
func checkTable(name string, table map[string]any, keys map[string]kind) (map[string]any, error) {
	clean := map[string]any{}
	for key, value := range table {
		canonical := key
		if _, known := keys[key]; !known {
			canonical = strings.ReplaceAll(key, "_", "-")
		}
		k, known := keys[canonical]
		if !known {
			return nil, fmt.Errorf("answer.toml: unknown field `%s` in [%s]", key, name)
		}
		if _, twice := clean[canonical]; twice {
			return nil, fmt.Errorf("answer.toml: duplicate field `%s` in [%s]", canonical, name)
		}
		if !fits(value, k) {
			return nil, fmt.Errorf("answer.toml: invalid type of `%s` in [%s]", key, name)
		}
		clean[canonical] = value
	}
	return clean, nil
}

func fits(value any, k kind) bool {
	switch v := value.(type) {
	case string:
		return k == text || k == textTab
	case bool:
		return k == flag
	case int64, float64:
		return k == number
	case []any:
		return k == texts && !slices.ContainsFunc(v, func(e any) bool { _, ok := e.(string); return !ok })
	case map[string]any:
		if k == strmap {
			for _, e := range v {
				if _, ok := e.(string); !ok {
					return false
				}
			}
		}
		return k == strmap || k == textTab
	}
	return false
}

// label is one part of a host name.
var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

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

func (a *Answer) global(tables map[string]map[string]any) error {
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
	if _, ok := g["fqdn"].(string); !ok {
		return fmt.Errorf("fqdn from DHCP: no lease was offered")
	}
	labels := strings.Split(a.FQDN, ".")
	if len(labels) < 2 || slices.ContainsFunc(labels, func(l string) bool { return !label.MatchString(l) }) ||
		strings.Trim(labels[0], "0123456789") == "" || len(a.FQDN) > 253 {
		return fmt.Errorf("`fqdn` %q is no full host name", a.FQDN)
	}
	if !strings.Contains(str(g, "mailto"), "@") || strings.HasSuffix(str(g, "mailto"), "@example.invalid") {
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
	for mac, name := range strTable(pinning["mapping"]) {
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
	a.DiskList, a.DiskFilter, a.DiskFilterSecond = strs(d["disk-list"]), strTable(d["filter"]), str(d, "filter-match")
	if (len(a.DiskList) == 0) == (len(a.DiskFilter) == 0) {
		return fmt.Errorf("exactly one of `disk-list` and `filter` is needed in [disk-setup]")
	}
	if a.Filesystem == "ext4" && len(a.DiskList) > 1 {
		return fmt.Errorf("`disk-list` of ext4 has more than one disk")
	}
	return nil
}

// ParseMode reads auto-installer-mode.toml and returns its mode.
func ParseMode(content []byte) (string, error) {
	var file map[string]any
	if err := toml.Unmarshal(content, &file); err != nil {
		return "", fmt.Errorf("failed to parse '/cdrom/auto-installer-mode.toml': %w", err) // the words of the real one
	}
	for key := range file {
		if !slices.Contains([]string{"mode", "partition_label", "http"}, key) {
			return "", fmt.Errorf("failed to parse '/cdrom/auto-installer-mode.toml': unknown field `%s`", key)
		}
	}
	mode := str(file, "mode")
	if !slices.Contains([]string{"iso", "http", "partition"}, mode) {
		return "", fmt.Errorf("failed to parse '/cdrom/auto-installer-mode.toml': unknown variant `%s` of `mode`", mode)
	}
	return mode, nil
}
