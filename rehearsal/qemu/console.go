package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Console is the serial console of a machine: everything that it said since
// its start, kept in memory and in a file.
type Console struct {
	mu     sync.Mutex
	text   []byte        // without escape sequences and carriage returns
	read   int           // where Expect goes on
	more   chan struct{} // closed and replaced when text grows or the console ends
	ended  bool
	input  io.WriteCloser
	start  time.Time
	pieces []piece
}

// piece is a moment: the text up to offset was there then.
type piece struct {
	offset int
	at     time.Time
}

// ErrEnded says that the machine ended before it said what was waited for.
var ErrEnded = errors.New("the machine ended")

func newConsole(output io.Reader, input io.WriteCloser, file string) (*Console, error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("console of the machine: %w", err)
	}
	c := &Console{more: make(chan struct{}), input: input, start: time.Now()}
	go c.follow(output, out)
	return c, nil
}

// follow owns the file and ends with the machine's output.
func (c *Console) follow(output io.Reader, file *os.File) {
	defer file.Close()
	buffer := make([]byte, 16<<10)
	var rest []byte
	for {
		n, err := output.Read(buffer)
		if n > 0 {
			var clean []byte
			clean, rest = strip(append(rest, buffer[:n]...))
			file.Write(clean) //nolint:errcheck // a full disk must not stop the machine
			c.add(clean)
		}
		if err != nil {
			break
		}
	}
	c.mu.Lock()
	c.ended = true
	close(c.more)
	c.more = make(chan struct{})
	c.mu.Unlock()
}

func (c *Console) add(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, text...)
	c.pieces = append(c.pieces, piece{len(c.text), time.Now()})
	close(c.more)
	c.more = make(chan struct{})
}

// escapeSequence matches what terminals take as commands (ECMA-48 CSI, and the
// few shorter ones that firmware sends).
var escapeSequence = regexp.MustCompile("^\x1b(\\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>cDEHM78])")

// strip takes carriage returns and escape sequences out. rest is the beginning
// of a sequence that is not complete yet.
func strip(text []byte) (clean, rest []byte) {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\r', 0:
		case 0x1b:
			if m := escapeSequence.Find(text[i:]); m != nil {
				i += len(m) - 1
			} else if len(text)-i < 16 {
				return clean, bytes.Clone(text[i:])
			}
		default:
			clean = append(clean, text[i])
		}
	}
	return clean, nil
}

// Match is what Expect found.
type Match struct {
	Groups []string      // of the pattern; Groups[0] is the whole
	After  time.Duration // since the start of the machine
}

// Skip leaves out what was said until now: the next call looks behind it.
func (c *Console) Skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = len(c.text)
}

// Expect waits until the console says the pattern, after what earlier calls
// found. The error of an ended context or machine carries the last lines.
func (c *Console) Expect(ctx context.Context, pattern string) (Match, error) {
	m, _, err := c.ExpectAny(ctx, pattern)
	return m, err
}

// ExpectAny waits for the first of several patterns and says which one it was.
// Of patterns that are there at the same time the one that stands first in the
// text counts.
func (c *Console) ExpectAny(ctx context.Context, patterns ...string) (Match, int, error) {
	compiled := make([]*regexp.Regexp, len(patterns))
	for i, p := range patterns {
		var err error
		if compiled[i], err = regexp.Compile("(?m)" + p); err != nil {
			return Match{}, -1, err
		}
	}
	settled := false
	for {
		c.mu.Lock()
		match, which := c.find(compiled, settled)
		more, ended := c.more, c.ended
		c.mu.Unlock()
		if which >= 0 {
			return match, which, nil
		}
		if ended {
			return Match{}, -1, fmt.Errorf("%w before its console said %q; last lines:\n%s", ErrEnded, strings.Join(patterns, "\" or \""), c.Tail(12))
		}
		settled = false
		select {
		case <-more:
		case <-time.After(settle):
			settled = true
		case <-ctx.Done():
			return Match{}, -1, fmt.Errorf("waiting for the console to say %q: %w; last lines:\n%s", strings.Join(patterns, "\" or \""), context.Cause(ctx), c.Tail(12))
		}
	}
}

// settle is how long a line without its end must be left alone before a match
// in it counts: half of a word would match as well as all of it.
const settle = 500 * time.Millisecond

func (c *Console) find(patterns []*regexp.Regexp, settled bool) (Match, int) {
	which, first := -1, []int(nil)
	for i, p := range patterns {
		if at := p.FindSubmatchIndex(c.text[c.read:]); at != nil && (first == nil || at[0] < first[0]) {
			which, first = i, at
		}
	}
	if which < 0 || c.read+first[1] == len(c.text) && !settled && !c.ended {
		return Match{}, -1
	}
	text := c.text[c.read:]
	m := Match{}
	for i := 0; i < len(first); i += 2 {
		group := ""
		if first[i] >= 0 {
			group = string(text[first[i]:first[i+1]])
		}
		m.Groups = append(m.Groups, group)
	}
	c.read += first[1]
	for _, p := range c.pieces {
		if p.offset >= c.read {
			m.After = p.at.Sub(c.start)
			break
		}
	}
	return m, which
}

// Text is everything that the console said.
func (c *Console) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}

// Silence is the longest time after since that the console said nothing.
func (c *Console) Silence(since time.Time) (longest time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pieces {
		if p.at.After(since) {
			longest, since = max(longest, p.at.Sub(since)), p.at
		}
	}
	return longest
}

// Tail returns the last lines that are not empty.
func (c *Console) Tail(lines int) string {
	var kept []string
	for line := range strings.Lines(c.Text()) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			kept = append(kept, "  "+line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-lines):], "\n")
}

// Send types text into the console.
func (c *Console) Send(text string) error {
	if _, err := io.WriteString(c.input, text); err != nil {
		return fmt.Errorf("type into the console: %w", err)
	}
	return nil
}
