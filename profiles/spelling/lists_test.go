package spelling

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestShipped(t *testing.T) {
	l := Shipped()
	if len(l.Countries) != 249 || len(l.Zones) != 418 || len(l.Keyboards) != 25 {
		t.Errorf("%d countries, %d zones, %d keyboards; ISO 3166-1 has 249, zone.tab 418, the installer 25", len(l.Countries), len(l.Zones), len(l.Keyboards))
	}
	for zone, country := range l.Zones {
		if !l.Countries[country] {
			t.Errorf("%s lies in %q, which is no country", zone, country)
		}
	}
	for other, zone := range l.links {
		if l.Zones[other] != "" || zone != "UTC" && l.Zones[zone] == "" {
			t.Errorf("%s as another name of %s helps nobody", other, zone)
		}
	}
}

// The four that Proxmox VE calls otherwise are refused by its API under the
// installer's name, for ever.
func TestClusterKeyboard(t *testing.T) {
	for layout, want := range map[string]string{"dk": "da", "jp": "ja", "se": "sv", "si": "sl", "de": "de", "en-us": "en-us", "pt-br": "pt-br"} {
		if got := ClusterKeyboard(layout); got != want {
			t.Errorf("%s is %s to the cluster, want %s", layout, got, want)
		}
	}
	// The enum of "keyboard" in Proxmox VE's datacenter options.
	known := strings.Fields("de de-ch da en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it ja lt mk nl no pl pt pt-br sv sl tr")
	for layout, name := range Shipped().Keyboards {
		if !slices.Contains(known, name) {
			t.Errorf("%s becomes %s, at which the API answers 400", layout, name)
		}
	}
}

func TestMailSender(t *testing.T) {
	for address, want := range map[string]bool{"admin@example.org": true, "a.b+pve@a-b.lan": true, "o'neil@example.org": false, "a/b@example.org": false, "": false} {
		if got := MailSender(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

func TestLocaleRules(t *testing.T) {
	l := Shipped()
	for _, c := range []struct{ what, got, want string }{
		{"zone", l.Zone("Europe/Berln"), `"Europe/Berln" is not among the installer's lists of zones; did you mean Europe/Berlin?`},
		{"zone", l.Zone("Etc/UTC"), `"Etc/UTC" is not among the installer's lists of zones, though it means one; write UTC`},
		{"zone", l.Zone("US/Pacific"), `"US/Pacific" is not among the installer's lists of zones, though it means one; write America/Los_Angeles`},
		{"zone", l.Zone("Europe/Kiev"), `"Europe/Kiev" is not among the installer's lists of zones, though it means one; write Europe/Kyiv`},
		{"zone", l.Zone("europe/berlin"), `"europe/berlin" is not among the installer's lists of zones, which minds capitals; write Europe/Berlin`},
		{"zone", l.Zone("${TZ}"), `"${TZ}" is not among the installer's lists of zones; write one such as Europe/Berlin, or UTC`},
		{"zone", l.Zone("UTC") + l.Zone("Europe/Berlin") + l.Zone("America/Argentina/Buenos_Aires"), ""},
		{"country", l.Country("uk"), `"uk" is no country of the installer's lists; write gb`},
		{"country", l.Country("DE"), `"DE" is no country of the installer's lists, which are in lower case; write de`},
		{"country", l.Country("xx"), `"xx" is no country of the installer's lists; write its two letters of ISO 3166 in lower case, such as de`},
		{"keyboard", l.Keyboard("us"), `"us" is not known; allowed: ` + strings.Join(slices.Sorted(maps.Keys(l.Keyboards)), ", ") + `; did you mean en-us?`},
		{"mail", Mail("mail@example.invalid"), `"mail@example.invalid" is the placeholder that the installer refuses; write an address`},
		{"mail", Mail("admin@localhost") + Mail("o'neil+pve@a-b.example.org"), ""},
		{"name", FQDN("1234.example.org"), `"1234.example.org" has a host name of digits alone, which the installer refuses; add a letter`},
		{"name", FQDN(strings.Repeat("abcdefghi.", 26) + "org"), `is 263 characters long; the installer takes 253`},
		{"name", FQDN("frege.home.arpa") + FQDN("a.b"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
	for _, bad := range []string{"root", "", "a b@example.org", "jörg@example.org", "admin@my_host.lan", "müller@example.org", "a@b@c", "a@-b.org", "a@b.", "Jo <jo@example.org>"} {
		if Mail(bad) == "" {
			t.Errorf("mail %q passes, and the installer refuses it", bad)
		}
	}
	for _, bad := range []string{"frege", "fre_ge.lan", "-a.b", "a-.b", "a..b", "a.b.", strings.Repeat("a", 64) + ".b", ""} {
		if FQDN(bad) == "" {
			t.Errorf("name %q passes, and the installer refuses it", bad)
		}
	}
}
