package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles/fault"
)

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		err  error
		code fault.Kind
		want string
	}{
		{fmt.Errorf("writing x.iso: %w: %w", output.ErrNoRoom, syscall.ENOSPC), fault.Precondition, "mkimage: writing x.iso: not enough room: no space left on device\n"},
		{fmt.Errorf("x.iso: %w", stick.ErrDiffers), fault.Unverified, "mkimage: x.iso: the device does not give back what was written to it\n"},
		{fault.Partial.Errorf("1 of 3 images are finished: %w", cli.ErrInterrupted()), fault.Partial, "mkimage: 1 of 3 images are finished: interrupted\n"},
	} {
		var said bytes.Buffer
		if code := cli.Report("mkimage", test.err, &said); code != int(test.code) || said.String() != test.want {
			t.Errorf("%v: exit code %d and %q, want %d and %q", test.err, code, said.String(), test.code, test.want)
		}
	}
}

// Whoever presses control and C instead of typing the device's name is heard.
func TestAnInterruptEndsTheQuestion(t *testing.T) {
	silent, typist := io.Pipe()
	defer typist.Close()
	var said bytes.Buffer
	m := &making{t: cli.NewTerminal(silent, io.Discard, &said)}
	ctx, interrupt := context.WithCancelCause(t.Context())
	asked := make(chan error)
	go func() {
		asked <- m.confirmed(ctx, stick.Device{Path: "/dev/sdx", Size: 32 << 30, Removable: true}, 1<<30)
	}()
	interrupt(cli.ErrInterrupted())
	select {
	case err := <-asked:
		if code := cli.Report("mkimage", err, &said); code != int(fault.Interrupted) {
			t.Errorf("exit code %d: %v", code, err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it goes on waiting for an answer")
	}
}

// What lies on a stick is said before it is named a second time; a ticket is
// rewritten without, for the rest stays.
func TestAStickWithFilesIsNamedTwice(t *testing.T) {
	d := stick.Device{Path: "/dev/sdx", Size: 32 << 30, Removable: true, Content: []string{`vfat "HOLIDAYS" (sdx1)`}}
	const again = `again, because it carries vfat "HOLIDAYS" (sdx1)`
	for _, c := range []struct {
		typed, want string
		confirm     []string
		size        int64
		ok          bool
	}{
		{"/dev/sdx\n/dev/sdx\n", again, nil, 1 << 30, true},
		{"/dev/sdx\nno\n", again, nil, 1 << 30, false},
		{"/dev/sdx\n", "", nil, 0, true},
		{"", "", []string{"/dev/sdx"}, 1 << 30, false},
		{"", "", []string{"/dev/sdx", "/dev/sdx"}, 1 << 30, true},
	} {
		var said bytes.Buffer
		m := &making{t: cli.NewTerminal(strings.NewReader(c.typed), io.Discard, &said), confirm: c.confirm}
		err := m.confirmed(t.Context(), d, c.size)
		if (err == nil) != c.ok || !strings.Contains(said.String(), c.want) || c.size == 0 && strings.Contains(said.String(), "again") {
			t.Errorf("%q %v: %v, said %q", c.typed, c.confirm, err, said.String())
		}
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
			code := cli.Report("mkimage", run(t.Context(), args, nil, &out, &said), &said)
			if want := "mkimage: x.iso: " + want + "\n"; code != int(fault.Precondition) || said.String() != want || out.Len() > 0 {
				t.Errorf("%s: mkimage %v: exit code %d, out %q\ngot  %swant %s", name, args, code, out.String(), said.String(), want)
			}
		}
	}
	makes := []string{"--quiet", "--node", "frege", "--iso", "x.iso", "--out", "y.iso"}
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
