package base

import (
	"slices"
	"strings"

	"ringboot/profiles"
)

// source is one package source, of either of the two forms of sources.list(5).
type source struct {
	uris, suites, components []string
	on                       bool
}

// parseStanza reads one stanza of a deb822 file; ok is false if it is no source.
func parseStanza(text string) (s source, ok bool) {
	s.on = true
	field := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "":
			continue
		case line[0] == ' ' || line[0] == '\t': // the field goes on
		default:
			name, rest, found := strings.Cut(line, ":")
			if !found {
				return source{}, false
			}
			field, line = strings.ToLower(name), rest
		}
		words := strings.Fields(line)
		switch field {
		case "uris":
			s.uris = append(s.uris, words...)
		case "suites":
			s.suites = append(s.suites, words...)
		case "components":
			s.components = append(s.components, words...)
		case "enabled":
			s.on = len(words) == 0 || !slices.Contains([]string{"no", "false", "0", "without", "off", "disable"}, strings.ToLower(words[0]))
		}
	}
	return s, len(s.uris) > 0
}

// parseLine reads one line of the older form: deb [options] uri suite component...
func parseLine(line string) (s source, ok bool) {
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "deb ") && !strings.HasPrefix(text, "deb\t") {
		return source{}, false // a comment, or sources of programs
	}
	text = strings.TrimSpace(text[len("deb"):])
	if strings.HasPrefix(text, "[") {
		_, after, closed := strings.Cut(text, "]")
		if !closed {
			return source{}, false
		}
		text = after
	}
	text, _, _ = strings.Cut(text, "#")
	words := strings.Fields(text)
	if len(words) < 2 {
		return source{}, false
	}
	return source{uris: words[:1], suites: words[1:2], components: words[2:], on: true}, true
}

// place is a URI without what does not matter: http or https, the last slash.
func place(uri string) string {
	_, rest, found := strings.Cut(uri, "://")
	if !found {
		rest = uri
	}
	return strings.TrimRight(rest, "/")
}

// hostOf is the host of a URI.
func hostOf(uri string) string {
	host, _, _ := strings.Cut(place(uri), "/")
	return host
}

// proxmox reports whether all of a source is Proxmox's own, or the mirror's of it.
func (s source) proxmox(p *profiles.Profile) bool {
	mirror := place(p.Proxmox.Mirror)
	return len(s.uris) > 0 && !slices.ContainsFunc(s.uris, func(u string) bool {
		mirrored := mirror != "" && (place(u) == mirror+"/pve" || strings.HasPrefix(place(u), mirror+"/ceph-"))
		return hostOf(u) != downloadHost && hostOf(u) != enterpriseHost && !mirrored
	})
}

// debian reports whether a source is Debian, or a mirror of it.
func (s source) debian() bool {
	return !slices.ContainsFunc(s.uris, func(u string) bool {
		p := place(u)
		return hostOf(u) != "debian.org" && !strings.HasSuffix(hostOf(u), ".debian.org") && !strings.HasSuffix(p, "/debian") && !strings.HasSuffix(p, "/debian-security")
	})
}

// ceph reports whether a source of Proxmox's is one of Ceph.
func (s source) ceph() bool {
	return slices.ContainsFunc(s.uris, func(u string) bool { return strings.Contains(place(u), "/ceph-") })
}

// gives reports whether a source that is on has all that another one gives.
func (s source) gives(want source) bool {
	has := func(have, want []string, by func(string) string) bool {
		return !slices.ContainsFunc(want, func(w string) bool {
			return !slices.ContainsFunc(have, func(h string) bool { return by(h) == by(w) })
		})
	}
	same := func(s string) string { return s }
	return s.on && has(s.uris, want.uris, place) && has(s.suites, want.suites, same) && has(s.components, want.components, same)
}
