package installer

import (
	"fmt"
	"net/netip"
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
	Raid             string // of zfs and btrfs, lower case
	HDSize           *float64
	LVM              lvmOptions
	DiskList         []string
	DiskFilter       map[string]string
	DiskFilterSecond string // filter-match, without effect for ext4 and xfs
}

// kind is what a key's value must be.
type kind int

const (
	text kind = iota
	flag
	number
	whole   // a number without a fraction
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
	"zfs":   {"raid": text, "ashift": whole, "copies": whole, "arc-max": whole, "checksum": text, "compress": text, "hdsize": number},
	"btrfs": {"raid": text, "compress": text, "hdsize": number},
}

var keyboards = strings.Fields("de de-ch dk en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it jp lt mk nl no pl pt pt-br se si tr")

// ParseAnswer reads answer.toml as strictly as the installer of 9.2, which
// knows these countries and zones.
func ParseAnswer(content []byte, known Locales) (Answer, error) {
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
	global := func(tables map[string]map[string]any) error { return a.global(tables, known) }
	for _, read := range []func(map[string]map[string]any) error{global, a.network, a.disks} {
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
	case int64:
		return k == number || k == whole
	case float64:
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
