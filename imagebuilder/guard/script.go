package guard

import (
	"fmt"
	"slices"
	"strings"
)

// word is one word of a GRUB script (GRUB manual, "Shell-like scripting").
type word struct {
	from, to int    // bytes of the script
	text     string // without quotes and backslashes; variables stay as they are
	quoted   bool
	first    bool // at the beginning of a command
	ends     bool // the command ends behind it
}

// is reports whether a word is a brace that counts.
func (w word) is(brace string) bool { return w.text == brace && !w.quoted }

// words splits a script. Braces, semicolons and ends of lines separate
// commands; a brace counts only where it stands alone, so ${x} is one word.
func words(script string) ([]word, error) {
	var out []word
	first := true
	end := func() {
		first = true
		if len(out) > 0 {
			out[len(out)-1].ends = true
		}
	}
	for i := 0; i < len(script); {
		switch c := script[i]; {
		case c == '\n' || c == ';':
			end()
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '\\' && i+1 < len(script) && script[i+1] == '\n':
			i += 2
		case c == '#':
			comment, _, _ := strings.Cut(script[i:], "\n")
			i += len(comment)
		default:
			w, next, err := oneWord(script, i)
			if err != nil {
				return nil, err
			}
			w.first = first
			out = append(out, w)
			first = !w.quoted && slices.Contains([]string{"{", "}", "then", "else", "do", "if", "elif", "while", "until", "fi", "done", "!"}, w.text)
			i = next
		}
	}
	end()
	return out, nil
}

// oneWord reads the word that begins at byte i.
func oneWord(script string, i int) (word, int, error) {
	w := word{from: i}
	var text strings.Builder
	for i < len(script) {
		c := script[i]
		switch {
		case c == '\'':
			inside, _, closed := strings.Cut(script[i+1:], "'")
			if !closed {
				return w, 0, unclosed(script, i)
			}
			text.WriteString(inside)
			w.quoted = true
			i += len(inside) + 2
		case c == '"':
			n, err := doubleQuoted(script, i, &text)
			if err != nil {
				return w, 0, err
			}
			w.quoted = true
			i = n
		case c == '\\' && i+1 < len(script):
			text.WriteByte(script[i+1])
			i += 2
		case strings.HasPrefix(script[i:], "${"):
			close := strings.IndexByte(script[i:], '}')
			if close < 0 {
				return w, 0, unclosed(script, i)
			}
			text.WriteString(script[i : i+close+1])
			i += close + 1
		case (c == '{' || c == '}') && i == w.from:
			w.to, w.text = i+1, string(c)
			return w, i + 1, nil
		case strings.IndexByte(" \t\r\n;", c) >= 0:
			w.to, w.text = i, text.String()
			return w, i, nil
		default:
			text.WriteByte(c)
			i++
		}
	}
	w.to, w.text = i, text.String()
	return w, i, nil
}

func doubleQuoted(script string, i int, text *strings.Builder) (int, error) {
	for j := i + 1; j < len(script); j++ {
		switch script[j] {
		case '"':
			return j + 1, nil
		case '\\':
			if j+1 < len(script) {
				j++
			}
		}
		text.WriteByte(script[j])
	}
	return 0, unclosed(script, i)
}

func unclosed(script string, at int) error {
	return fmt.Errorf("boot menu of the ISO, line %d: a quote or brace is never closed", 1+strings.Count(script[:at], "\n"))
}

// span is a piece of the script.
type span struct{ from, to int }

// edit replaces a piece of the script.
type edit struct {
	from, to int
	text     string
}

// entry is one menu entry.
type entry struct {
	title     span
	titleText string
	automatic bool
	depth     int    // number of submenus around it
	kernels   []int  // ends of its linux commands
	initrds   []int  // ends of its initrd commands
	dropID    []edit // removes an id of its own
}

// block is an open brace and what opened it.
type block struct {
	command string
	entry   int // index of the menu entry, or -1
}

// menuEntries finds all entries of the menu, those in submenus too.
func menuEntries(script string) ([]entry, error) {
	ws, err := words(script)
	if err != nil {
		return nil, err
	}
	var (
		entries []entry
		open    []block
		command = "" // whose block the next brace opens
		loads   = "" // the command whose end is looked for
	)
	for i, w := range ws {
		if w.first {
			command = w.text
			loads = loader(w.text)
		}
		switch {
		case w.is("{"):
			b := block{command: command, entry: -1}
			if command == "menuentry" {
				b.entry = len(entries) - 1
			}
			open = append(open, b)
			command = ""
		case w.is("}"):
			if len(open) == 0 {
				return nil, fmt.Errorf("boot menu of the ISO, line %d: a brace is closed that was never opened", 1+strings.Count(script[:w.from], "\n"))
			}
			open = open[:len(open)-1]
		case w.first && w.text == "menuentry":
			e, err := heading(script, ws[i+1:])
			if err != nil {
				return nil, err
			}
			e.depth = submenus(open)
			entries = append(entries, e)
		}
		if len(open) > 0 && open[len(open)-1].entry >= 0 && entries[open[len(open)-1].entry].takes(w, loads) {
			loads = ""
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("boot menu of the ISO: %d braces are never closed", len(open))
	}
	return entries, nil
}

// submenus counts those that are open.
func submenus(open []block) (n int) {
	for _, b := range open {
		if b.command == "submenu" {
			n++
		}
	}
	return n
}

// takes notes a word of an entry. It reports whether the command that loads
// something, if any, ends with it.
func (e *entry) takes(w word, loads string) bool {
	if w.text == automatic || strings.HasPrefix(w.text, automatic+"=") {
		e.automatic = true
	}
	if loads == "" || !w.ends {
		return false
	}
	e.loads(loads, w.to)
	return true
}

// Commands that load something, by what they begin with: there are linux16,
// linuxefi and initrdefi, too.
const (
	loadsKernel = "linux"
	loadsInitrd = "initrd"
)

// loader says what a command loads; "" for any other command.
func loader(command string) string {
	for _, kind := range []string{loadsKernel, loadsInitrd} {
		if strings.HasPrefix(command, kind) {
			return kind
		}
	}
	return ""
}

// loads notes where a command ends that loads something.
func (e *entry) loads(what string, end int) {
	if what == loadsKernel {
		e.kernels = append(e.kernels, end)
	} else {
		e.initrds = append(e.initrds, end)
	}
}

// heading reads what stands between menuentry and its brace.
func heading(script string, ws []word) (entry, error) {
	takesValue := []string{"--class", "--users", "--hotkey", "--source", "--id"}
	var e entry
	for i := 0; i < len(ws); i++ {
		w := ws[i]
		switch {
		case w.is("{"):
			if e.title.to == 0 {
				return e, fmt.Errorf("boot menu of the ISO, line %d: an entry has no title", 1+strings.Count(script[:w.from], "\n"))
			}
			return e, nil
		case w.text == "--id" && i+1 < len(ws):
			e.dropID = append(e.dropID, edit{w.from, ws[i+1].to, ""})
			i++
		case strings.HasPrefix(w.text, "--id="):
			e.dropID = append(e.dropID, edit{w.from, w.to, ""})
		case strings.Contains(w.text, "menuentry_id_option") && i+1 < len(ws):
			e.dropID = append(e.dropID, edit{w.from, ws[i+1].to, ""})
			i++
		case slices.Contains(takesValue, w.text):
			i++
		case strings.HasPrefix(w.text, "-") && !w.quoted:
		case e.title.to == 0:
			e.title, e.titleText = span{w.from, w.to}, w.text
		}
	}
	return e, fmt.Errorf("boot menu of the ISO: entry %q has no body", e.titleText)
}

// apply makes the edits, which do not overlap.
func apply(script string, edits []edit) string {
	slices.SortFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out strings.Builder
	at := 0
	for _, e := range edits {
		out.WriteString(script[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.WriteString(script[at:])
	return out.String()
}
