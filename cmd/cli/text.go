package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Styles of ANSI (ECMA-48 8.3.117). None is used alone: the text says it too.
const (
	Bold   = "1"
	Red    = "31"
	Yellow = "33"
	Green  = "32"
)

// Wrap breaks a text at words so that no line is longer than width, and hangs
// what follows under the text after the line's own indentation. A width of 0
// leaves it as it is.
func Wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		indent := len(l) - len(strings.TrimLeft(l, " "))
		lines[i] = hang(l[:indent], strings.Repeat(" ", indent), l[indent:], width)
	}
	return strings.Join(lines, "\n")
}

// Hang writes a head and a text that is broken at words; its further lines
// begin under the text.
func Hang(head, text string, width int) string {
	if width <= 0 {
		return head + text
	}
	return hang(head, strings.Repeat(" ", utf8.RuneCountInString(head)), text, width)
}

func hang(head, rest, text string, width int) string {
	var b strings.Builder
	b.WriteString(head)
	at := utf8.RuneCountInString(head)
	start := at
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > width && at > start:
			b.WriteString("\n" + rest)
			at, start = utf8.RuneCountInString(rest), utf8.RuneCountInString(rest)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// Paint gives a text a style, where there are colours.
func (p Page) Paint(style, text string) string {
	if !p.Color || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Clean keeps what comes from elsewhere from steering the terminal: control
// characters and those that turn the direction of writing become dots.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '.'
		}
		return r
	}, s)
}

// Row writes a label and its text, hung under itself. The label may be styled:
// style is "" for one that is not.
func (p Page) Row(style, label, text string) {
	line := Hang(label, Clean(text), p.Columns)
	fmt.Fprintln(p, p.Paint(style, label)+line[len(label):])
}
