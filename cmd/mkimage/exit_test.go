package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
	"ringboot/rehearsal"
)

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{errors.New("something nobody thought of"), 1, "mkimage: something nobody thought of\n"},
		{fmt.Errorf("%w (interrupt)", errInterrupted), 1, "mkimage: interrupted (interrupt)\n"},
		{usage("a flag is wrong"), 2, "mkimage: a flag is wrong\n"},
		{&exit{exitPrecondition, errors.New("no keyring")}, 4, "mkimage: no keyring\n"},
		{fmt.Errorf("writing x.iso: %w: %w", output.ErrNoRoom, syscall.ENOSPC), 4, "mkimage: writing x.iso: not enough room: no space left on device\n"},
		{fmt.Errorf("x.iso: %w", stick.ErrDiffers), 5, "mkimage: x.iso: the device does not give back what was written to it\n"},
		{fmt.Errorf("x.iso: %w", fs.ErrExist), 6, "mkimage: x.iso: file already exists\n"},
		{verdict(fmt.Errorf("the trip had 2h0m0s: %w", context.DeadlineExceeded)), 7, "mkimage: the trip had 2h0m0s: context deadline exceeded\n"},
		{verdict(fmt.Errorf("%w: frege", rehearsal.ErrMachine)), 5, "mkimage: " + rehearsal.ErrMachine.Error() + ": frege\n"},
		{fmt.Errorf("the list of checksums: %w", context.DeadlineExceeded), 7, "mkimage: the list of checksums: context deadline exceeded\n"},
		{&exit{exitPartial, errors.New("1 of 3 images are finished: interrupted")}, 8, "mkimage: 1 of 3 images are finished: interrupted\n"},
		{&exit{code: exitUnverified}, 5, ""},
	} {
		var said bytes.Buffer
		if code := report(test.err, &said); code != test.code || said.String() != test.want {
			t.Errorf("%v: exit code %d and %q, want %d and %q", test.err, code, said.String(), test.code, test.want)
		}
	}
}

// Whoever presses control and C instead of typing the device's name is heard.
func TestAnInterruptEndsTheQuestion(t *testing.T) {
	silent, typist := io.Pipe()
	defer typist.Close()
	var said bytes.Buffer
	m := &making{t: &terminal{stdin: silent, stdout: io.Discard, stderr: &said}}
	ctx, interrupt := context.WithCancelCause(t.Context())
	asked := make(chan error)
	go func() {
		asked <- m.confirmed(ctx, stick.Device{Path: "/dev/sdx", Size: 32 << 30, Removable: true}, 1<<30)
	}()
	interrupt(errInterrupted)
	select {
	case err := <-asked:
		if code := report(err, &said); code != 1 || !errors.Is(err, errInterrupted) {
			t.Errorf("exit code %d: %v", code, err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on waiting for an answer")
	}
}

// Whatever is wrong with an image, every command that reads it says so in one
// line, with the same exit code.
func TestHostileImagesGetOneLineAndTheirExitCode(t *testing.T) {
	needAgent(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", home)
	t.Setenv("XDG_CACHE_HOME", home)
	t.Chdir(t.TempDir())
	try := func(name string, want string, commands ...[]string) {
		for _, args := range commands {
			var out, said bytes.Buffer
			code := report(run(t.Context(), args, nil, &out, &said), &said)
			if want := "mkimage: x.iso: " + want + "\n"; code != exitPrecondition || said.String() != want || out.Len() > 0 {
				t.Errorf("%s: mkimage %v: exit code %d, out %q\ngot  %swant %s", name, args, code, out.String(), said.String(), want)
			}
		}
	}
	makes := []string{"--node", "frege", "--iso", "x.iso", "--out", "y.iso"}
	for _, c := range isotest.Damaged() {
		write(t, c.Bytes)
		try(c.Name, c.Want, makes, []string{"inspect", "x.iso"}, []string{"verify", "x.iso"}, []string{"reset", "x.iso"}, []string{"rearm", "x.iso"})
	}
	const unsuitable = "not a Proxmox VE ISO that images can be made from: "
	for _, c := range []struct {
		name  string
		image []byte
		want  string
	}{
		{"without Proxmox's marks", isotest.Build([]isotest.File{{Path: "/readme"}}, isotest.Options{}), unsuitable + "it has neither /.cd-info nor /.disk/info"},
		{"without Rock Ridge", isotest.Build(isotest.Stock(), isotest.Options{Plain: true}), unsuitable + "it has neither /.cd-info nor /.disk/info"},
		{"prepared by another program", isotest.Build(append(isotest.Stock(), isotest.File{Path: "/answer.toml"}), isotest.Options{}),
			unsuitable + "it has /answer.toml, so it was prepared by another program: start from the stock ISO"},
		{"prepared already", prepared(t), iso9660.ErrPrepared.Error()},
	} {
		write(t, c.image)
		try(c.name, c.want, makes)
	}
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if made, err := filepath.Glob(filepath.Join(home, "ringboot", "*", "*")); err != nil || len(made) > 0 {
		t.Errorf("a keyring was made for nothing: %v, %v", made, err)
	}
}

func write(t *testing.T, image []byte) {
	t.Helper()
	if err := os.WriteFile("x.iso", image, 0o600); err != nil {
		t.Fatal(err)
	}
}

// prepared is an image that has been made already.
func prepared(t *testing.T) []byte {
	t.Helper()
	stock := isotest.Build(isotest.Stock(), isotest.Options{})
	img, err := iso9660.Open(bytes.NewReader(stock), int64(len(stock)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := iso9660.Plan(img, []iso9660.Edit{{Path: "/answer.toml", Content: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.Stream(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
