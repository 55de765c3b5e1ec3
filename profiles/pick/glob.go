package pick

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// The installer compares filter values as glob patterns of the Rust crate
// "glob" with its default options: case matters, * and ? match any character
// including the slash, [abc], [a-z] and [!abc] are classes.

// Escape turns a literal into a pattern that matches it alone.
func Escape(literal string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(literal)
}

var errPattern = errors.New("this is no valid pattern")

// Check refuses what the installer's library refuses.
func Check(pattern string) error {
	if strings.Contains(pattern, "***") {
		return errPattern
	}
	for rest := pattern; rest != ""; {
		if rest[0] == '*' && strings.HasPrefix(rest, "**") && pattern != "**" && !strings.Contains(pattern, "/") {
			return errPattern // ** must be a path component of its own
		}
		if rest[0] != '[' {
			rest = rest[1:]
			continue
		}
		_, after, ok := class(rest)
		if !ok {
			return errPattern
		}
		rest = after
	}
	return nil
}

// class splits a leading [...] off a pattern.
func class(pattern string) (inside, after string, ok bool) {
	body := pattern[1:]
	from := 0
	if strings.HasPrefix(body, "!") {
		from = 1
	}
	// The first character of a class may be a closing bracket.
	if from+1 > len(body) {
		return "", "", false
	}
	end := strings.IndexByte(body[from+1:], ']')
	if end < 0 {
		return "", "", false
	}
	end += from + 1
	return body[:end], body[end+1:], true
}

func inClass(inside string, r rune) bool {
	inside, negated := strings.CutPrefix(inside, "!")
	chars := []rune(inside)
	found := false
	for i := 0; i < len(chars); i++ {
		if i+2 < len(chars) && chars[i+1] == '-' {
			if chars[i] <= r && r <= chars[i+2] {
				found = true
			}
			i += 2
			continue
		}
		if chars[i] == r {
			found = true
		}
	}
	return found != negated
}

// Match reports whether the whole value matches. An invalid pattern matches nothing.
func Match(pattern, value string) bool {
	if Check(pattern) != nil {
		return false
	}
	return globAt(pattern, value)
}

// globAt walks both texts with one point of return, the last star: enough for
// patterns whose only unbounded part is the star, and linear in memory.
func globAt(pattern, value string) bool {
	p, v := pattern, value
	starP, starV, star := "", "", false
	for {
		switch {
		case p != "" && p[0] == '*':
			p = strings.TrimLeft(p, "*")
			starP, starV, star = p, v, true
			continue
		case v == "" && p == "":
			return true
		case v != "" && p != "":
			if rest, ok := one(p, v); ok {
				_, size := utf8.DecodeRuneInString(v)
				p, v = rest, v[size:]
				continue
			}
		}
		if !star || starV == "" {
			return false
		}
		_, size := utf8.DecodeRuneInString(starV)
		starV = starV[size:]
		p, v = starP, starV
	}
}

// one matches the first element of a pattern against the first character.
func one(p, v string) (rest string, ok bool) {
	r, _ := utf8.DecodeRuneInString(v)
	switch p[0] {
	case '?':
		return p[1:], true
	case '[':
		inside, after, valid := class(p)
		return after, valid && inClass(inside, r)
	}
	want, size := utf8.DecodeRuneInString(p)
	return p[size:], want == r
}
