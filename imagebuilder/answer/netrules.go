package answer

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ringboot/profiles/pick"
	"ringboot/profiles/spelling"
)

func (l *linter) network() {
	fixed := []string{"network.cidr", "network.dns", "network.gateway", "network.filter"}
	source := l.doc.text("network.source")
	if source != "from-answer" {
		for _, k := range fixed {
			if v := l.doc.get(k); v != nil && !(l.v < V92 && emptyTable(v)) {
				l.add(Wrong, k, "is forbidden unless network.source is from-answer")
			}
		}
		if source == "from-dhcp" {
			l.add(Note, "network.source", "the address that DHCP gives during installation is kept as a fixed one")
		}
	} else {
		for _, k := range fixed {
			if l.doc.get(k) == nil {
				l.add(Wrong, k, "is missing; network.source from-answer needs it")
			}
		}
		l.addresses()
		l.nicFilter()
	}
	l.pinning()
}

func emptyTable(v any) bool {
	t, ok := v.(map[string]any)
	return ok && len(t) == 0
}

// address reads an address as the installer does: without a zone.
func address(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == ""
}

// prefix reads an address with its mask. Since 9.2 one without a mask is a network
// of its own.
func (l *linter) prefix(s string) (netip.Prefix, bool) {
	addr, mask, found := strings.Cut(s, "/")
	a, ok := address(addr)
	if !ok || !found && l.v < V92 {
		return netip.Prefix{}, false
	}
	if !found {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	bits, err := strconv.ParseUint(strings.TrimPrefix(mask, "+"), 10, 8) // the installer's parser allows a plus
	if err != nil || int(bits) > a.BitLen() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, int(bits)), true
}

func (l *linter) addresses() {
	cidr, ok := l.prefix(l.doc.text("network.cidr"))
	if s, isText := l.doc.get("network.cidr").(string); isText && !ok {
		l.add(Wrong, "network.cidr", "%q is no address with a mask; write one such as 10.203.3.11/24", s)
	}
	if ok && cidr.Bits() == cidr.Addr().BitLen() {
		l.add(Risky, "network.cidr", "%s is a network of one address, which reaches no gateway; write its mask, such as /24", cidr)
	}
	for _, k := range []string{"network.dns", "network.gateway"} {
		s, isText := l.doc.get(k).(string)
		if !isText {
			continue
		}
		a, good := address(s)
		if !good {
			l.add(Wrong, k, "%q is no address", s)
		} else if k == "network.gateway" && ok && !cidr.Contains(a) {
			l.add(Risky, k, "%s is not in %s", a, cidr.Masked())
		}
	}
}

const pinning = "network.interface-name-pinning"

// pinnedForm is what Proxmox VE takes as the name of a port.
var pinnedForm = regexp.MustCompile(`(?i)^[a-z][a-z0-9_]{1,20}([:.]\pN+)?$`)

// pinning checks the names that ports are to get.
func (l *linter) pinning() {
	if l.doc.get(pinning) == nil {
		return
	}
	switch l.doc.get(pinning + ".enabled") {
	case nil:
		l.add(Wrong, pinning+".enabled", "is missing, and the installer stops without it")
		return
	case false:
		if l.v >= V92 {
			l.add(Risky, pinning+".enabled", "from 9.2 on, names are pinned as soon as this table is there, whatever it says; leave the table out")
		}
		return // the names are not looked at
	}
	mapping, _ := l.doc.get(pinning + ".mapping").(map[string]any)
	owner := map[string]string{}
	for _, mac := range sorted(mapping) {
		name, ok := mapping[mac].(string)
		at := join(pinning+".mapping", mac)
		if !ok {
			l.add(Wrong, at, "must be text in quotes")
			continue
		}
		l.portName(at, name)
		low := mac
		if l.v >= V92 {
			low = strings.ToLower(mac)
		}
		if first, taken := owner[name]; taken && first != low {
			l.add(Wrong, at, "%q is the name of two ports", name)
		}
		owner[name] = low
		if !macForm.MatchString(strings.ToLower(mac)) {
			l.add(Risky, at, "is no hardware address, and no port gets the name; write six pairs with colons, such as 58:47:ca:00:00:01")
		} else if mac != strings.ToLower(mac) && l.v < V92 {
			l.add(Risky, at, "has capitals, and version %s then finds no port; write %s", l.v, strings.ToLower(mac))
		}
	}
}

func (l *linter) portName(at, name string) {
	switch {
	case len(name) < 2 || len(name) > 15:
		l.add(Wrong, at, "%q has %d letters; the name of a port has 2 to 15", name, len(name))
	case !l.pinned(name):
		l.add(Wrong, at, "%q is no name of a port; write a letter first, then letters, digits and underscores", name)
	}
}

// pinned reports whether this release takes a name of fitting length.
func (l *linter) pinned(name string) bool {
	return pinnedForm.MatchString(name) && (l.v >= V92 || !strings.ContainsAny(name, ":."))
}

var macForm = regexp.MustCompile(`^[0-9a-f]{2}(:[0-9a-f]{2}){5}$`)

// patterns checks the values of a filter and returns those that are text.
func (l *linter) patterns(path string, known []string) map[string]string {
	raw, isTable := l.doc.get(path).(map[string]any)
	if !isTable {
		return nil // said where kinds are checked
	}
	filter := map[string]string{}
	for _, k := range sorted(raw) {
		at := join(path, k)
		pattern, ok := raw[k].(string)
		if !ok {
			l.add(Wrong, at, "must be text in quotes")
			continue
		}
		filter[k] = pattern
		if !slices.Contains(known, k) {
			more := ""
			if near := spelling.Nearest(k, known); near != "" {
				more = "; did you mean " + near + "?"
			}
			l.add(Risky, at, "is no udev property that these devices usually have%s", more)
		}
		if pick.Check(pattern) != nil {
			l.add(Wrong, at, "%q is no valid pattern; a literal star, question mark or bracket is written [*], [?], [[]", pattern)
		}
	}
	return filter
}

func (l *linter) nicFilter() {
	const path = "network.filter"
	raw, isTable := l.doc.get(path).(map[string]any)
	if !isTable {
		return
	}
	filter := l.patterns(path, nicProperties)
	if len(raw) == 0 {
		l.add(Wrong, path, "is empty; the installer dies of it after the checks: name the port, such as ID_NET_NAME_MAC = \"enx5847ca000001\"")
		return
	}
	if l.machine == nil || l.machine.NICs == nil {
		l.loosePort(path, filter)
		l.unproven(path, "ports")
		return
	}
	s := pick.NIC(filter, l.machine.NICs)
	l.report.NIC = &s
	l.exactlyOne(path, s, "port")
}

// unproven says that an inventory lacks what would prove a rule.
func (l *linter) unproven(path, what string) {
	if l.machine != nil {
		l.add(Note, path, "is not proven: the inventory has no %s; make it with firstboot inventory --json", what)
	}
}

// anyMAC is a star and twelve digits: the official documentation's own way to
// write a hardware address, which fits one port.
var anyMAC = regexp.MustCompile(`^\*[0-9a-f]{12}$`)

// loosePort names rules that can fit more than one port.
func (l *linter) loosePort(path string, filter map[string]string) {
	places := []string{"ID_NET_NAME_PATH", "ID_NET_NAME_SLOT", "ID_NET_NAME_ONBOARD", "ID_PATH", "ID_PATH_TAG", "DEVPATH"}
	for _, k := range sorted(filter) {
		at, pattern := join(path, k), filter[k]
		switch {
		case k == "ID_NET_NAME_MAC" && anyMAC.MatchString(pattern):
		case wild(pattern):
			l.add(Risky, at, "the pattern %q can fit more than one port; write an exact value, or prove it with --inventory", pattern)
		case k == "ID_NET_NAME_MAC":
		case k == "INTERFACE" || k == "ID_NET_NAME":
			l.add(Risky, at, "is the kernel's name of a port, and another port may have it next time; name it by ID_NET_NAME_MAC")
		case slices.Contains(places, k):
			l.add(Note, at, "names a place in the machine, and whatever card is put there")
		default:
			l.add(Risky, at, "more than one port can have this value; name it by ID_NET_NAME_MAC, or prove it with --inventory")
		}
	}
}

// wild reports whether a pattern is more than one literal value.
func wild(pattern string) bool {
	return strings.ContainsAny(strings.NewReplacer("[*]", "", "[?]", "", "[[]", "").Replace(pattern), "*?[")
}
