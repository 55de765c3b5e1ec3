package apt

import (
	"cmp"
	"strings"
)

// Compare orders two versions as dpkg does: deb-version(7).
func Compare(a, b string) int {
	ea, ua, ra := parts(a)
	eb, ub, rb := parts(b)
	if c := compare(ea, eb); c != 0 {
		return c
	}
	if c := compare(ua, ub); c != 0 {
		return c
	}
	return compare(ra, rb)
}

// parts are epoch, upstream version and Debian revision.
func parts(v string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		epoch, v = e, rest
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return epoch, v[:i], v[i+1:]
	}
	return epoch, v, ""
}

// compare goes through two parts by turns of what is no digit and of numbers.
func compare(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = head(a, false)
		y, b = head(b, false)
		if c := letters(x, y); c != 0 {
			return c
		}
		x, a = head(a, true)
		y, b = head(b, true)
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
			return c
		}
	}
	return 0
}

func head(s string, digits bool) (first, rest string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9') == digits {
		i++
	}
	return s[:i], s[i:]
}

// letters compares what is no digit: a tilde before the end, the end before a
// letter, a letter before the rest.
func letters(a, b string) int {
	weight := func(s string, i int) int {
		switch {
		case i >= len(s):
			return 0
		case s[i] == '~':
			return -1
		case s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z':
			return int(s[i])
		}
		return int(s[i]) + 256
	}
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}
