package docs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

var programs = []string{"mkimage", "rehearse", "peers", "firstboot", "ringkeeper"}

// listed is a command in the help of its program.
var listed = regexp.MustCompile(`(?m)^  ([a-z][a-z-]+) +[A-Z]`)

// TestHelpBeginsWithExamples asks every command of every program for its help.
func TestHelpBeginsWithExamples(t *testing.T) {
	need.Slow(t) // the programs must be those of this commit
	bin := products(t)
	commands, without := 0, 0
	for _, program := range programs {
		ask := func(args ...string) string {
			out, err := exec.Command(filepath.Join(bin, program), append(args, "--help")...).CombinedOutput()
			if err != nil {
				t.Errorf("%s %v --help: %v\n%s", program, args, err, out)
			}
			return string(out)
		}
		root := ask()
		_, list, _ := strings.Cut(root, "\nCommands:\n")
		list, _, _ = strings.Cut(list, "\nFlags:\n")
		all := [][]string{nil}
		for _, m := range listed.FindAllStringSubmatch(list, -1) {
			all = append(all, []string{m[1]})
		}
		for _, args := range all {
			commands++
			text := ask(args...)
			if at := strings.Index(text, "Examples:\n"); at < 0 || at > strings.Index(text, "Usage:\n") {
				without++
				t.Errorf("%s %v: no example stands before its usage:\n%s", program, args, text)
			}
		}
	}
	need.Figure("cli.commands", commands, "count")
	need.Figure("cli.without_examples", without, "count")
	if commands < 30 {
		t.Errorf("%d commands only", commands)
	}
}

// TestExitCodes runs the programs as a script does.
func TestExitCodes(t *testing.T) {
	need.Slow(t) // the programs must be those of this commit
	bin := products(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("version: 1\nnodes: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "adir"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := map[string]int{
		"mkimage":                               2,
		"mkimage --version":                     0,
		"mkimage version":                       0,
		"mkimage plna":                          2,
		"mkimage frege":                         2,
		"mkimage help nope":                     2,
		"mkimage completion bsh":                2,
		"mkimage plan":                          0,
		"mkimage plan --json":                   0,
		"mkimage plan --node nobody":            2,
		"mkimage plan --node a --node b":        2,
		"mkimage --node frege --root-disk=":     2,
		"mkimage plan --profile bad.yaml":       3,
		"mkimage plan --profile none.yaml":      4,
		"mkimage plan --profile adir":           4,
		"mkimage inspect none.iso":              4,
		"mkimage inspect":                       2,
		"mkimage verify bad.yaml":               4,
		"mkimage --node frege --iso none.iso":   4,
		"mkimage --node frege --out /nowhere/x": 4,
		"mkimage --node frege --stick vdzz":     4,
		"mkimage init bad.yaml":                 6,
		"mkimage init /nowhere/ringboot.yaml":   4,
		"mkimage secrets":                       4,
		"mkimage lint none.toml":                4,
		"peers frege":                           2,
		"peers --wait lunch":                    2,
		"peers --wait formed":                   4,
		"peers --profile bad.yaml":              3,
		"peers explain":                         2,
		"peers explain hello":                   4,
		"peers explain the machine has no host name: write it to x and restart": 0,
		"firstboot nope":                          2,
		"firstboot help nope":                     2,
		"firstboot status --root adir":            4,
		"firstboot doctor --root adir":            8,
		"firstboot apply --only nope --root adir": 2,
		"firstboot admit":                         2,
		"firstboot leave --root adir":             6,
		"firstboot leave --yes --root adir":       4,
		"ringkeeper status --root adir":           4,
		"ringkeeper pair --root adir":             4,
		"ringkeeper pair --ring here":             2,
		"ringkeeper leave --root adir":            6,
		"rehearse --drill earthquake":             2,
		"rehearse --until lunch":                  2,
		"rehearse --accel nope":                   2,
		"rehearse --list":                         0,
	}
	for line, want := range cases {
		words := strings.Fields(line)
		cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
		cmd.Dir, cmd.Env = dir, environment(bin, dir)
		out, err := cmd.CombinedOutput()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			t.Fatalf("%s: %v", line, err)
		}
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: exit code %d, want %d\n%s", line, got, want, out)
		}
	}
	need.Figure("cli.exit_codes_checked", len(cases), "count")
}
