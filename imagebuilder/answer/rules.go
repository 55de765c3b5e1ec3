package answer

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ringboot/profiles/spelling"
)

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func itoa(n int) string { return strconv.Itoa(n) }

// person checks what says where the machine stands and how it is called.
func (l *linter) person() {
	for _, c := range []struct {
		key  string
		rule func(string) string
	}{
		{"global.keyboard", l.locales.Keyboard},
		{"global.country", l.locales.Country},
		{"global.timezone", l.locales.Zone},
		{"global.mailto", spelling.Mail},
		{"global.fqdn", spelling.FQDN},
	} {
		value, ok := l.doc.get(c.key).(string)
		if !ok {
			continue // missing, or of another type: said elsewhere
		}
		if wrong := c.rule(value); wrong != "" {
			l.add(Wrong, c.key, "%s", wrong)
		}
	}
	country, zone := l.doc.text("global.country"), l.doc.text("global.timezone")
	if in := l.locales.CountryOfZone(zone); in != "" && in != country && l.locales.Country(country) == "" {
		l.add(Note, "global.country", "%s is not where %s lies, which is %s; the installer minds neither", country, zone, in)
	}
}

func (l *linter) exactlyOne(path string, s Selection, what string) {
	switch len(s.Fitting) {
	case 1:
		l.add(Note, path, "fits exactly one %s of this machine: %s", what, describe(s.Fitting[0]))
	case 0:
		l.add(Wrong, path, "fits no %s of this machine; the installation would stop", what)
	default:
		names := make([]string, len(s.Fitting))
		for i, d := range s.Fitting {
			names[i] = describe(d)
		}
		l.later(path, "fits %d %ss of this machine (%s), and the installer would take %s; name one by its %s", len(s.Fitting), what, strings.Join(names, ", "), taken(s), map[string]string{"port": "hardware address", "disk": "serial"}[what])
	}
}

func describe(d Device) string {
	for _, k := range []string{"ID_SERIAL_SHORT", "ID_SERIAL", "ID_NET_NAME_MAC"} {
		if v := d.Properties[k]; v != "" {
			return d.Name + " (" + v + ")"
		}
	}
	return d.Name
}

func taken(s Selection) string {
	names := make([]string, len(s.Taken))
	for i, d := range s.Taken {
		names[i] = d.Name
	}
	return strings.Join(names, " and ")
}

// fingerprint is the SHA-256 of a certificate: 32 pairs, with colons or without.
var fingerprint = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$`)

func (l *linter) rest() {
	mode, onError := l.doc.text("global.reboot-mode"), l.doc.get("global.reboot-on-error")
	if onError == true && mode != "power-off" {
		l.add(Risky, l.doc.written("global.reboot-on-error"), "with reboot, a failing installation starts again without end; add reboot-mode = \"power-off\"")
	}
	if l.doc.get("first-boot") != nil {
		l.hook()
	}
	if l.doc.get("post-installation-webhook") != nil {
		if l.doc.get("post-installation-webhook.url") == nil {
			l.add(Wrong, "post-installation-webhook.url", "is missing")
		} else {
			l.url("post-installation-webhook", "what is installed is told")
		}
	}
	swap, okS := l.doc.float("disk-setup.lvm.swapsize")
	size, okH := l.doc.float("disk-setup.lvm.hdsize")
	if okS && okH && !(swap <= size/2) {
		if l.v >= V90 {
			l.add(Wrong, "disk-setup.lvm.swapsize", "%v GiB is more than half of hdsize %v GiB", swap, size)
		} else {
			l.later("disk-setup.lvm.swapsize", "%v GiB is more than half of hdsize %v GiB", swap, size)
		}
	}
	l.placeholders()
}

// hook checks the script of the first start, which runs as root.
func (l *linter) hook() {
	switch l.doc.text("first-boot.source") {
	case "":
		if l.doc.get("first-boot.source") == nil {
			l.add(Wrong, "first-boot.source", "is missing; write from-iso or from-url")
		}
	case "from-url":
		if l.doc.get("first-boot.url") == nil {
			l.add(Wrong, "first-boot.url", "is missing; from-url needs it")
			return
		}
		l.url("first-boot", "a script that runs as root comes")
		l.add(Note, "first-boot.url", "must answer while the machine is installed; the installation stops if it does not")
	case "from-iso":
		l.add(Note, "first-boot.source", "wants the script on the medium, put there with --on-first-boot; the installation stops without it")
	}
}

// url checks where something is fetched from or sent to.
func (l *linter) url(table, what string) {
	at, print := table+".url", l.doc.written(table+".cert-fingerprint")
	address := l.doc.text(at)
	switch {
	case !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://"):
		if _, isText := l.doc.get(at).(string); isText {
			l.later(at, "%q is no address on the web; write one such as https://host/path", address)
		}
	case strings.HasPrefix(address, "http://"):
		l.add(Risky, at, "%s over plain http, and anyone on the way can change it; write https and cert-fingerprint", what)
	case l.doc.get(table+".cert-fingerprint") == nil:
		l.add(Note, at, "is trusted by any authority of the web; pin it with cert-fingerprint")
	}
	if s, isText := l.doc.get(table + ".cert-fingerprint").(string); isText && !fingerprint.MatchString(s) {
		l.later(print, "is no SHA-256 fingerprint, at which the installer stops; write 32 hexadecimal pairs")
	}
}

// A value that a template should have replaced.
var placeholder = regexp.MustCompile(`\$\{[^}]*\}|\{\{.*\}\}|@[A-Z_]{2,}@|<[A-Za-z][A-Za-z0-9 _-]*>|(?i)\b(change[-_ ]?me|replace[-_ ]?(me|with)|redacted|put[-_][a-z_-]*here)\b`)

// placeholders names values that look as if nobody had filled them in.
func (l *linter) placeholders() {
	for _, path := range l.doc.paths {
		values := []any{l.doc.values[path]}
		if list, ok := values[0].([]any); ok {
			values = list
		}
		if table := freeParent(path); table != "" {
			m, _ := l.doc.get(table).(map[string]any)
			values = []any{m[strings.Trim(strings.TrimPrefix(path, table+"."), `"`)]}
		}
		for _, v := range values {
			if s, ok := v.(string); ok && placeholder.MatchString(s) {
				l.add(Risky, path, "%q looks like a place that was to be filled in", placeholder.FindString(s))
			}
		}
	}
}
