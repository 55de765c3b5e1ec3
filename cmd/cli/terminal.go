package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"ringboot/profiles/fault"
)

// Terminal is what a command reads and writes. Data goes to Stdout, messages
// to Stderr.
type Terminal struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	quiet          bool // --quiet
	plain          bool // --no-color
}

// NewTerminal joins three streams.
func NewTerminal(stdin io.Reader, stdout, stderr io.Writer) *Terminal {
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	return &Terminal{Stdin: stdin, Stdout: stdout, Stderr: stderr}
}

// Say tells a person something that --quiet leaves out.
func (t *Terminal) Say(format string, args ...any) {
	if !t.quiet {
		t.Warn(format, args...)
	}
}

// Warn tells a person something in any case.
func (t *Terminal) Warn(format string, args ...any) {
	fmt.Fprintln(t.Stderr, Wrap(fmt.Sprintf(format, args...), t.width(t.Stderr)))
}

// Quiet reports whether only risks and errors are to be said.
func (t *Terminal) Quiet() bool { return t.quiet }

// Screen is the file behind a stream that is a terminal, else nil.
func Screen(stream any) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// Size is the columns and rows of the terminal behind a stream, else 0 and 0.
func Size(stream any) (columns, rows int) {
	f := Screen(stream)
	if f == nil {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

func (t *Terminal) width(stream any) int {
	columns, _ := Size(stream)
	return columns
}

// Width is the columns of the terminal on Stdout; 0 where it is none.
func (t *Terminal) Width() int { return t.width(t.Stdout) }

// Page is a writer that a person reads: a stream, its width and its colours.
type Page struct {
	io.Writer
	Columns int // 0: no terminal, lines are not broken
	Color   bool
}

// Page is how a person reads the stream.
func (t *Terminal) Page(stream io.Writer) Page {
	return Page{stream, t.width(stream), t.Color(stream)}
}

// Color reports whether colours may be used on a stream.
func (t *Terminal) Color(stream io.Writer) bool {
	return !t.plain && Screen(stream) != nil && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Standard is the name of a file that stands for the standard input or output.
const Standard = "-"

// ReadFile reads a file, or the standard input where its name is "-".
func (t *Terminal) ReadFile(name string) ([]byte, error) {
	if name == Standard {
		return io.ReadAll(t.Stdin)
	}
	return os.ReadFile(name)
}

// Ask asks for a word. flag is what a script says instead of answering; the
// error of a question that nobody answers names it.
func (t *Terminal) Ask(ctx context.Context, question, flag string) (string, error) {
	fmt.Fprint(t.Stderr, question+" ")
	type answer struct {
		word string
		err  error
	}
	read := make(chan answer, 1)
	// An interrupt does not end the read, so the wait for it ends instead: the
	// process does too, then.
	go func() {
		word, err := t.lines().ReadString('\n')
		read <- answer{strings.TrimSpace(word), err}
	}()
	select {
	case a := <-read:
		if a.err != nil && !errors.Is(a.err, io.EOF) {
			return "", a.err
		}
		if a.err != nil {
			fmt.Fprintln(t.Stderr) // nobody pressed return
		}
		if a.err != nil && a.word == "" {
			return "", fault.Refused.Errorf("refused: nobody answered, nothing was done: a script says %s", flag)
		}
		return a.word, nil
	case <-ctx.Done():
		fmt.Fprintln(t.Stderr)
		return "", context.Cause(ctx)
	}
}

// lines is the one buffer of all questions: what one of them read ahead is
// there for the next.
func (t *Terminal) lines() *bufio.Reader {
	b, ok := t.Stdin.(*bufio.Reader)
	if !ok {
		b = bufio.NewReader(t.Stdin)
		t.Stdin = b
	}
	return b
}

// JSON writes a value for programs.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
