package ringboot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The fuzzer's race with its own time limit is no failure of a target, and
// nothing else is taken for it.
func TestFuzzScriptKnowsTheTimeLimit(t *testing.T) {
	for _, c := range []struct {
		name, fuzz, seeds, want string
		fails                   bool
	}{
		{"passes", "fuzz: elapsed: 1s, execs: 70 (70/sec)\nPASS\n", "", "execs: 70, no failure\n", false},
		{"time limit alone", "fuzz: elapsed: 1s, execs: 71 (70/sec)\n--- FAIL: FuzzOne (11.02s)\n    context deadline exceeded\nFAIL\nexit status 1\n", "",
			"execs: 71, no failure, ended by its time limit\n", false},
		{"time limit, and a seed fails", "--- FAIL: FuzzOne (11.02s)\n    context deadline exceeded\nFAIL\n", "--- FAIL: FuzzOne/seed#0\nFAIL\n", "fuzz FuzzOne failed:", true},
		{"an input that hangs", "--- FAIL: FuzzOne (11.02s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzOne/ab\nFAIL\n", "", "fuzz FuzzOne failed:", true},
		{"an input that fails", "--- FAIL: FuzzOne (0.02s)\n    --- FAIL: FuzzOne (0.00s)\n        one_test.go:3: wrong\nFAIL\n", "", "fuzz FuzzOne failed:", true},
		{"it does not build", "one_test.go:3: undefined: x\nFAIL\tone [build failed]\n", "", "fuzz FuzzOne failed:", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			script, err := os.ReadFile(".ci/fuzz")
			if err != nil {
				t.Fatal(err)
			}
			write := func(name, text string) {
				t.Helper()
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // the script and the tools beside it are run
					t.Fatal(err)
				}
			}
			write(".ci/fuzz", string(script))
			write("one_test.go", "func FuzzOne(f *testing.F) {}\n")
			write("out/fuzz", c.fuzz)
			write("out/seeds", c.seeds)
			// Stands for go test: the words of the case, and a failure where they say one.
			write("bin/go", "#!/bin/sh\nfile=seeds\ncase \"$*\" in *-fuzztime*) file=fuzz ;; esac\ncat out/$file\n! grep -q ^FAIL out/$file\n")
			for _, args := range [][]string{{"init", "-q"}, {"add", "one_test.go"}} {
				cmd := exec.CommandContext(t.Context(), "git", args...) //nolint:gosec // two fixed commands
				cmd.Dir = root
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v: %s", args, err, out)
				}
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(root, ".ci/fuzz")) //nolint:gosec // the copy above
			cmd.Env = append(os.Environ(), "PATH="+filepath.Join(root, "bin")+":"+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), c.want) || (err != nil) != c.fails {
				t.Errorf("says %q (%v), want %q, failure %v", out, err, c.want, c.fails)
			}
		})
	}
}
