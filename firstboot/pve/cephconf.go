package pve

import (
	"fmt"
	"slices"
	"strings"
)

// Config is what matters of ceph.conf.
type Config struct {
	FSID           string
	PublicNetwork  string
	ClusterNetwork string
	MonHost        []string
	Sections       []string // mon.frege, mds.russell
}

// ParseConfig reads a ceph.conf.
func ParseConfig(text string) Config {
	var c Config
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.Trim(line, "[]")
			c.Sections = append(c.Sections, section)
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section != "global" {
			continue
		}
		value = strings.TrimSpace(value)
		// Blanks and underscores mean the same in a key of Ceph.
		switch strings.ReplaceAll(strings.TrimSpace(key), " ", "_") {
		case "fsid":
			c.FSID = value
		case "public_network":
			c.PublicNetwork = value
		case "cluster_network":
			c.ClusterNetwork = value
		case "mon_host":
			c.MonHost = strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' })
		}
	}
	return c
}

// Has reports whether a section is there.
func (c Config) Has(section string) bool { return slices.Contains(c.Sections, section) }

// Config reads /etc/pve/ceph.conf; ok is false where there is none.
func (c Ceph) Config() (conf Config, ok bool, err error) {
	text, err := c.Host.Files.ReadFile(CephConf)
	if isMissing(err) {
		return Config{}, false, nil
	}
	if err != nil {
		return Config{}, false, fmt.Errorf("read %s: %w", CephConf, err)
	}
	return ParseConfig(string(text)), true, nil
}
