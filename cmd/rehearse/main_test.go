package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rehearse": main})
}

func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		// code N PROGRAM ARGS... runs a program and demands its exit code.
		"code": func(ts *testscript.TestScript, _ bool, args []string) {
			want, err := strconv.Atoi(args[0])
			ts.Check(err)
			err = ts.Exec(args[1], args[2:]...)
			got := 0
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				got = failed.ExitCode()
			} else if err != nil {
				ts.Fatalf("%v", err)
			}
			if got != want {
				ts.Fatalf("exit code %d, want %d", got, want)
			}
		},
	}})
}

func TestAPictureIsDrawnOverTheOneBefore(t *testing.T) {
	var out bytes.Buffer
	lines := redraw(&out, 0, "one\ntwo\n")
	lines = redraw(&out, lines, "three\n")
	if want := "one\ntwo\n\x1b[2A\x1b[Jthree\n"; out.String() != want || lines != 1 {
		t.Errorf("wrote %q and counts %d lines, want %q", out.String(), lines, want)
	}
}
