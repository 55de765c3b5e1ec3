package profiles

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"ringboot/profiles/spelling"
)

// TestEveryValueOfTheInstaller loads a profile with every keyboard, zone and
// country that the installer takes, and with
// what people write instead.
func TestEveryValueOfTheInstaller(t *testing.T) {
	l, checked := spelling.Shipped(), 0
	verdict := func(line, was, value string) error {
		checked++
		_, err := Load("p.yaml", []byte(with(t, "  "+line+": "+was, "  "+line+": "+value)))
		return err
	}
	p := Default().Cluster
	for line, c := range map[string]struct {
		was  string
		good []string
		bad  []string
	}{
		"timezone": {p.Timezone, append(slices.Sorted(maps.Keys(l.Zones)), "UTC"), append(l.OtherZones(),
			"Etc/UTC", "Etc/GMT+5", "EST5EDT", "CET", "posixrules", "Factory", "Europe/Berln", "utc", "Z", "Europe", "Europe/", "Europe/Berlin/Mitte", "'+02:00'", "America/New York")},
		"keyboard": {p.Keyboard, slices.Sorted(maps.Keys(l.Keyboards)), []string{"us", "uk", "da", "sv", "ja", "sl", "DE", "de_ch", "ru", "cz"}},
		"country":  {p.Country, slices.Sorted(maps.Keys(l.Countries)), []string{"uk", "xx", "DE", "eu", "en", "deu", "zz", "'1a'"}},
	} {
		for _, v := range c.good {
			if err := verdict(line, c.was, "'"+v+"'"); err != nil {
				t.Errorf("%s %s: %v", line, v, err)
			}
		}
		for _, v := range c.bad {
			if err := verdict(line, c.was, v); err == nil {
				t.Errorf("%s %s passes, and the installer refuses it", line, v)
			}
		}
	}
	fmt.Printf("figure profile.values_checked %d values\n", checked)
	fmt.Printf("figure releases.supported %d releases\n", len(Releases()))
}
