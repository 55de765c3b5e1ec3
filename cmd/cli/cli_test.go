package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ringboot/profiles/fault"
	"ringboot/profiles/form"
)

func TestReportSaysOneThingWithItsExitCode(t *testing.T) {
	_, missing := os.Open("/no/such/file")
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("odd"), 1, "x: odd\n"},
		{fault.Usage.New("a flag is wrong"), 2, "x: a flag is wrong\n"},
		{form.Problems{{File: "a.yaml", Line: 1, Col: 2, Path: "ring", Text: "is odd"}}, 3, "a.yaml:1:2: ring: is odd\n"},
		{missing, 4, "x: open /no/such/file: no such file or directory: check the name\n"},
		{fault.Unverified.Silent(), 5, ""},
		{context.DeadlineExceeded, 7, "x: context deadline exceeded\n"},
		{context.Canceled, 130, "x: interrupted\n"},
		{ErrInterrupted(), 130, "x: interrupted\n"},
	} {
		var said bytes.Buffer
		if code := Report("x", c.err, &said); code != c.code || said.String() != c.want {
			t.Errorf("%v: %d %q, want %d %q", c.err, code, said.String(), c.code, c.want)
		}
	}
}

// do runs a command line of the program trip.
func do(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	term := NewTerminal(strings.NewReader(stdin), &out, &errs)
	root := &cobra.Command{Use: "trip", Short: "Travel", Example: "  trip pack sock"}
	var bags []string
	pack := &cobra.Command{
		Use: "pack THING", Short: "Pack a thing", Args: One("THING"),
		RunE: func(c *cobra.Command, args []string) error {
			word, err := term.Ask(c.Context(), "really?", "--yes")
			if err != nil {
				return err
			}
			term.Say("packed %s: %s", args[0], word)
			term.Warn("risk: heavy")
			return nil
		},
	}
	pack.Flags().String("bag", "", "the `bag` to use")
	pack.Flags().Int("deep", 0, "centimetres")
	pack.Flags().Duration("in", 0, "when")
	pack.Flags().StringArrayVar(&bags, "also", nil, "more")
	root.AddCommand(pack)
	err := Execute(t.Context(), root, term, "1", args)
	code = Report("trip", err, &errs)
	return code, out.String(), errs.String()
}

func TestCommandLinesThatAreWrongSayWhatIsMeant(t *testing.T) {
	for line, want := range map[string]string{
		"pak":                    `trip: unknown command "pak": did you mean trip pack?`,
		"apck":                   `trip: unknown command "apck": did you mean trip pack?`,
		"zzzzzz":                 `trip: unknown command "zzzzzz": trip --help lists what there is`,
		"pack":                   "trip: which one? trip pack THING",
		"pack a b":               `trip: trip pack takes one THING, and got "b" as well`,
		"pack --bagg x a":        "trip: unknown flag: --bagg: did you mean --bag?",
		"pack --bag= a":          "trip: --bag is empty: give a value, or leave it out",
		"pack --also= a":         "trip: --also is empty: give a value, or leave it out",
		"pack --bag x --bag y a": "trip: --bag is given twice: once is enough",
		"pack --deep x a":        `trip: --deep takes a whole number, not "x"`,
		"pack --in soon a":       `trip: --in takes a time such as 30s, 5m or 1h30m, not "soon"`,
		"pack --quiet=maybe a":   `trip: --quiet is said or left out: it takes no "maybe"`,
		"help pak":               `trip: there is no help for "pak": did you mean pack?`,
		"completion bsh":         `trip: there is no completion for "bsh": name one of bash, zsh, fish, powershell`,
		"completion":             "trip: which one? trip completion bash|zsh|fish|powershell",
		"version 2":              `trip: trip version takes no words, and got "2"`,
	} {
		code, out, said := do(t, "", strings.Split(line, " ")...)
		if code != 2 || !strings.HasPrefix(said, want) || out != "" {
			t.Errorf("trip %s: exit %d, out %q\ngot  %swant %s", line, code, out, said, want)
		}
	}
}

func TestCommonCommands(t *testing.T) {
	for line, want := range map[string]string{
		"version":         "trip version 1\n",
		"--version":       "trip version 1\n",
		"completion bash": "bash completion V2 for trip",
		"completion fish": "fish completion for trip",
		"help pack":       "Usage:\n  trip pack THING [flags]",
		"pack --help":     "Flags of all commands:",
		"":                "Examples:\n  trip pack sock\n\nUsage:",
		"--help":          "Exit codes: 0 done, 1 unexpected, 2 usage,",
	} {
		code, out, said := do(t, "", strings.Fields(line)...)
		if code != 0 || !strings.Contains(out, want) || said != "" {
			t.Errorf("trip %s: exit %d, %s\n%s", line, code, said, out)
		}
	}
}

func TestQuestions(t *testing.T) {
	if code, _, said := do(t, "yes\n", "pack", "sock"); code != 0 || said != "really? packed sock: yes\nrisk: heavy\n" {
		t.Errorf("answered: %d %q", code, said)
	}
	if code, _, said := do(t, "yes\n", "pack", "--quiet", "sock"); code != 0 || said != "really? risk: heavy\n" {
		t.Errorf("quiet: %d %q", code, said)
	}
	if code, _, said := do(t, "", "pack", "sock"); code != 6 || said != "really? \ntrip: refused: nobody answered, nothing was done: a script says --yes\n" {
		t.Errorf("nobody: %d %q", code, said)
	}
}

func TestTwoQuestionsShareOneInput(t *testing.T) {
	term := NewTerminal(strings.NewReader("first\nsecond\n"), io.Discard, io.Discard)
	for _, want := range []string{"first", "second"} {
		if got, err := term.Ask(t.Context(), "?", "--x"); err != nil || got != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
}

func TestAnInterruptEndsAQuestion(t *testing.T) {
	silent, typist := io.Pipe()
	defer typist.Close()
	ctx, stop := context.WithCancelCause(t.Context())
	asked := make(chan error)
	go func() {
		_, err := NewTerminal(silent, io.Discard, io.Discard).Ask(ctx, "?", "--x")
		asked <- err
	}()
	stop(ErrInterrupted())
	select {
	case err := <-asked:
		if fault.Of(err) != fault.Interrupted {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on waiting for an answer")
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"one two three", 0, "one two three"},
		{"one two three", 7, "one two\nthree"},
		{"  one two three", 9, "  one two\n  three"},
		{"a verylongwordindeed b", 6, "a\nverylongwordindeed\nb"},
		{"größe über", 7, "größe\nüber"},
		{"a b\nc d", 3, "a b\nc d"},
	} {
		if got := Wrap(c.text, c.width); got != c.want {
			t.Errorf("%q at %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
	if got := Hang("risk: ", "one two three", 13); got != "risk: one two\n      three" {
		t.Errorf("hung: %q", got)
	}
}

func TestAStyledRowBreaksLikeAPlainOne(t *testing.T) {
	var plain, styled bytes.Buffer
	Page{Writer: &plain, Columns: 14}.Row(Red, "  ERASES: ", "a disk")
	Page{Writer: &styled, Columns: 14, Color: true}.Row(Red, "  ERASES: ", "a disk")
	if plain.String() != "  ERASES: a\n          disk\n" || styled.String() != "\x1b[31m  ERASES: \x1b[0ma\n          disk\n" {
		t.Errorf("%q %q", plain.String(), styled.String())
	}
}

func TestARowDoesNotSteerTheTerminal(t *testing.T) {
	var out bytes.Buffer
	Page{Writer: &out}.Row("", "x: ", "a\x1b[2J\x07b\u202ec")
	if out.String() != "x: a.[2J.b.c\n" {
		t.Errorf("%q", out.String())
	}
}

func TestSystemToolsAreFound(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin:/bin":                   "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
		"/usr/sbin:/sbin:/usr/local/sbin": "",
		"":                                "/usr/local/sbin:/usr/sbin:/sbin",
	} {
		if got := withSystem(path, "linux"); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
	if got := withSystem(`C:\Windows`, "windows"); got != "" {
		t.Errorf("Windows: %q", got)
	}
}
