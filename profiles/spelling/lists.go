// Package spelling holds the installer's own rules about the words of an answer:
// countries, time zones, keyboards, mail addresses and host names, and what a
// mistyped word most likely means. It reads nothing.
package spelling

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Lists are the lists that the installer checks an answer against.
type Lists struct {
	Countries map[string]bool   // alpha-2, lower case
	Zones     map[string]string // by name: the country
	Keyboards map[string]string // by the installer's name: the layout's name in the cluster's options
	links     map[string]string // other names of zones
	From      string            // where they were read, for messages
}

// keyboardTable has the layouts of the installer, 9.0 to 9.2, each with what
// Proxmox VE calls it in datacenter.cfg, where four are named by language.
const keyboardTable = `de de-ch dk:da en-gb en-us es fi fr fr-be fr-ca fr-ch hu is it jp:ja lt mk nl no pl pt pt-br se:sv si:sl tr`

// Shipped are the lists as this program has them, for where no ISO is at hand.
func Shipped() Lists {
	l := Lists{Countries: map[string]bool{}, Zones: map[string]string{}, Keyboards: map[string]string{}, links: map[string]string{}, From: "the installer's lists"}
	for _, code := range strings.Fields(countryCodes) {
		l.Countries[code] = true
	}
	for line := range strings.Lines(strings.TrimSpace(zonesOf)) {
		words := strings.Fields(line)
		for _, zone := range words[1:] {
			l.Zones[zone] = words[0]
		}
	}
	for line := range strings.Lines(strings.TrimSpace(zoneLinks)) {
		words := strings.Fields(line)
		for _, other := range words[1:] {
			l.links[other] = words[0]
		}
	}
	for _, word := range strings.Fields(keyboardTable) {
		name, cluster, other := strings.Cut(word, ":")
		if !other {
			cluster = name
		}
		l.Keyboards[name] = cluster
	}
	return l
}

// ClusterKeyboard is what the cluster's options call a layout of the installer.
func ClusterKeyboard(layout string) string {
	if name, ok := Shipped().Keyboards[layout]; ok {
		return name
	}
	return layout
}

// Zone says what is wrong with a time zone, or "". Only the names of zone.tab
// count, and UTC, which the installer allows by itself.
func (l Lists) Zone(name string) string {
	if name == "UTC" || l.Zones[name] != "" {
		return ""
	}
	text := fmt.Sprintf("%q is not among %s of zones", name, l.From)
	if l.links == nil {
		l.links = Shipped().links
	}
	zones := slices.Sorted(maps.Keys(l.Zones))
	same := slices.IndexFunc(zones, func(z string) bool { return strings.EqualFold(z, name) })
	link := l.links[name]
	switch {
	case same >= 0:
		return text + ", which minds capitals; write " + zones[same]
	case link != "" && (link == "UTC" || l.Zones[link] != ""):
		return text + ", though it means one; write " + link
	}
	// A slip is counted against the place alone: Europe/ is long, and equal for many.
	place := name[strings.LastIndexByte(name, '/')+1:]
	if near := Nearest(name, zones); near != "" && edits(strings.ToLower(name), strings.ToLower(near)) <= max(1, len(place)/3) {
		return text + "; did you mean " + near + "?"
	}
	return text + "; write one such as Europe/Berlin, or UTC"
}

// OtherZones are further names of zones, none of which the installer takes.
func (l Lists) OtherZones() []string { return slices.Sorted(maps.Keys(l.links)) }

// countryNames are what people write instead of a code.
var countryNames = map[string]string{"uk": "gb", "en": "gb", "usa": "us", "el": "gr", "eng": "gb", "ger": "de", "aut": "at", "sui": "ch", "swe": "se", "den": "dk", "jap": "jp", "chn": "cn"}

// Country says what is wrong with a country, or "".
func (l Lists) Country(code string) string {
	if l.Countries[code] {
		return ""
	}
	text := fmt.Sprintf("%q is no country of %s", code, l.From)
	low := strings.ToLower(code)
	switch {
	case l.Countries[low]:
		return text + ", which are in lower case; write " + low
	case countryNames[low] != "":
		return text + "; write " + countryNames[low]
	}
	return text + "; write its two letters of ISO 3166 in lower case, such as de"
}

// CountryOfZone is the country that a zone lies in, "" for UTC or one not known.
func (l Lists) CountryOfZone(zone string) string { return l.Zones[zone] }

// keyboardNames are what people write instead of the installer's name.
var keyboardNames = map[string]string{
	"us": "en-us", "en": "en-us", "uk": "en-gb", "gb": "en-gb", "da": "dk", "sv": "se", "ja": "jp", "sl": "si",
	"ch": "de-ch", "be": "fr-be", "ca": "fr-ca", "br": "pt-br", "at": "de", "de-at": "de", "de-de": "de", "fr-fr": "fr",
	"it-it": "it", "es-es": "es", "pl-pl": "pl", "us-intl": "en-us", "en-us-intl": "en-us",
}

// KeyboardOf is the installer's name of a layout that another system names:
// gb, de_CH, en_GB; "" if there is none.
func (l Lists) KeyboardOf(name string) string {
	low := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	language, _, _ := strings.Cut(low, "-")
	for _, n := range []string{low, keyboardNames[low], language, keyboardNames[language]} {
		if n != "" && l.Keyboards[n] != "" {
			return n
		}
	}
	return ""
}

// Keyboard says what is wrong with a layout, or "".
func (l Lists) Keyboard(layout string) string {
	if l.Keyboards[layout] != "" {
		return ""
	}
	names := slices.Sorted(maps.Keys(l.Keyboards))
	text := fmt.Sprintf("%q is not known; allowed: %s", layout, strings.Join(names, ", "))
	low := strings.ReplaceAll(strings.ToLower(layout), "_", "-")
	if l.Keyboards[low] != "" {
		return text + "; did you mean " + low + "?"
	}
	if known := keyboardNames[low]; l.Keyboards[known] != "" {
		return text + "; did you mean " + known + "?"
	}
	if near := Nearest(layout, names); near != "" {
		return text + "; did you mean " + near + "?"
	}
	return text
}

// mailPlaceholder is what the installer's form holds before it is filled in;
// it refuses to go on with it.
const mailPlaceholder = "mail@example.invalid"

// The installer takes the addresses that an e-mail field of HTML takes
// (WHATWG HTML, "valid e-mail address"): no umlauts, no underscore in the host.
const (
	mailLabel = `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?`
	// MailForm is the rule as a regular expression.
	MailForm = "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" + mailLabel + `(?:\.` + mailLabel + `)*`
)

// Mail says what is wrong with a mail address by the installer's rule, or "".
func Mail(address string) string {
	switch {
	case address == mailPlaceholder:
		return fmt.Sprintf("%q is the placeholder that the installer refuses; write an address", address)
	case !regexp.MustCompile(`^` + MailForm + `$`).MatchString(address):
		return fmt.Sprintf("%q is no mail address that the installer takes; write one such as admin@example.org, in ASCII, the host of letters, digits, dots and dashes", address)
	}
	return ""
}

// MailSender reports whether Proxmox VE takes a mail address as the sender of its
// own mail. Its rule is narrower than the installer's; an address outside of it
// still gets the mail.
func MailSender(address string) bool {
	return regexp.MustCompile(`^[\w+~-]+(\.[\w+~-]+)*@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$`).MatchString(address)
}

const fqdnLabel = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

// FQDN says what is wrong with a full host name by the installer's rule, or "".
func FQDN(name string) string {
	host, _, _ := strings.Cut(name, ".")
	switch {
	case len(name) > 253:
		return fmt.Sprintf("is %d characters long; the installer takes 253", len(name))
	case strings.Trim(host, "0123456789") == "" && host != "":
		return fmt.Sprintf("%q has a host name of digits alone, which the installer refuses; add a letter", name)
	case !regexp.MustCompile(`^` + fqdnLabel + `(\.` + fqdnLabel + `)+$`).MatchString(name):
		return fmt.Sprintf("%q is no full host name; write host and domain, such as frege.home.arpa, of letters, digits and inner dashes", name)
	}
	return ""
}
