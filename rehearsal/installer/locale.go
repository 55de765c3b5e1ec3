package installer

import (
	"os"
	"path/filepath"
	"strings"
)

// Locales are the countries and time zones that answers may name. The real
// installer makes its lists of ISO 3166 and of zone.tab, where many a zone of
// the time zone database is not: links, and what belongs to no country.
type Locales struct {
	Countries map[string]bool // lower case
	Zones     map[string]bool
}

// zoneUTC is the one zone that counts without being in zone.tab.
const zoneUTC = "UTC"

// readLocales reads both lists from a directory of the time zone database.
func readLocales(dir string) (Locales, error) {
	l := Locales{Countries: map[string]bool{}, Zones: map[string]bool{zoneUTC: true}}
	for _, list := range []struct {
		file string
		take func(fields []string)
	}{
		// tzset's lists: code, name; code, place, zone.
		{"iso3166.tab", func(f []string) { l.Countries[strings.ToLower(f[0])] = true }},
		{"zone.tab", func(f []string) {
			if len(f) > 2 && strings.Contains(f[2], "/") {
				l.Zones[f[2]] = true
			}
		}},
	} {
		text, err := os.ReadFile(filepath.Join(dir, list.file))
		if err != nil {
			return l, err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Split(strings.TrimSpace(line), "\t"); f[0] != "" && !strings.HasPrefix(f[0], "#") {
				list.take(f)
			}
		}
	}
	return l, nil
}
