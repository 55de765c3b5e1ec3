package status

import "strings"

// Clean makes a text of somebody else harmless for a terminal: nothing in it
// steers one or turns its direction.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e {
			return '.'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}
