package initrd_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"ringboot/imagebuilder/initrd"
	"ringboot/rehearsal/need"
)

// archive is a cpio archive of files by name; each holds what is said of it.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	a := initrd.NewArchive(&b)
	for _, f := range files {
		name, content, _ := strings.Cut(f, "=")
		a.File(name, 0o755, []byte(content))
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, p initrd.Packing, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch p {
	case initrd.Plain:
		return content
	case initrd.Gzip:
		w = gzip.NewWriter(&b)
	case initrd.XZ:
		w, err = xz.NewWriter(&b)
	case initrd.Zstd:
		w, err = zstd.NewWriter(&b)
	case initrd.LZ4:
		z := lz4.NewWriter(&b)
		err = z.Apply(lz4.LegacyOption(true))
		w = z
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func padded(b []byte, to int) []byte { return append(b, make([]byte, (to-len(b)%to)%to)...) }

var packings = []initrd.Packing{initrd.Plain, initrd.Gzip, initrd.XZ, initrd.Zstd, initrd.LZ4}

// TestEveryPackingIsRead reads what Debian and Proxmox make: microcode in a
// plain archive, then the rest, packed; and what rides behind it, which must
// take the first program along and put its own in front.
func TestEveryPackingIsRead(t *testing.T) {
	big := "bin/big=" + strings.Repeat("ringboot ", 1<<16)
	for _, p := range packings {
		early := padded(archive(t, "kernel/x86/microcode/GenuineIntel.bin=micro"), 512)
		whole := append(early, pack(t, p, archive(t, "bin/sh=shell", "init=#!/bin/sh\nmount", big))...)
		found, err := initrd.Read(whole)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if string(found.Init.Content) != "#!/bin/sh\nmount" || found.Init.Mode != 0o100755 || found.Packing != p {
			t.Errorf("%s: found %q of mode %o in a %s archive", p, found.Init.Content, found.Init.Mode, found.Packing)
		}
		ride, err := found.Ride([]byte("our program"), map[string][]byte{"plan.json": []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		// GRUB fills up to four bytes between two initrds.
		both, err := initrd.Read(append(padded(whole, 4), ride...))
		if err != nil {
			t.Fatalf("%s with its rider: %v", p, err)
		}
		if string(both.Init.Content) != "our program" {
			t.Errorf("%s: the first program is %q", p, both.Init.Content)
		}
		again, err := found.Ride([]byte("our program"), map[string][]byte{"plan.json": []byte("{}")})
		if err != nil || !bytes.Equal(ride, again) {
			t.Errorf("%s: the same ride has other bytes (%v)", p, err)
		}
	}
}

// TestTheRiderIsWhatOthersRead unpacks it with the program that everybody uses.
func TestTheRiderIsWhatOthersRead(t *testing.T) {
	need.Tools(t, "cpio")
	found, err := initrd.Read(archive(t, "./init=theirs"))
	if err != nil {
		t.Fatal(err)
	}
	ride, err := found.Ride([]byte("ours"), map[string][]byte{"plan.json": []byte("plan")})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command("cpio", "-i", "--quiet")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(bytes.TrimLeft(ride, "\x00"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{"init": "ours", ".ringboot/init": "theirs", ".ringboot/plan.json": "plan"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestALaterArchiveWins(t *testing.T) {
	first, second := pack(t, initrd.Gzip, archive(t, "init=first")), pack(t, initrd.Zstd, archive(t, "./init=second"))
	found, err := initrd.Read(append(padded(first, 4), second...))
	if err != nil || string(found.Init.Content) != "second" || found.Packing != initrd.Zstd {
		t.Errorf("found %q in %s, %v", found.Init.Content, found.Packing, err)
	}
	// Several archives in one packing, with zeros between them.
	found, err = initrd.Read(pack(t, initrd.XZ, append(padded(archive(t, "init=first"), 512), archive(t, "/init=third")...)))
	if err != nil || string(found.Init.Content) != "third" {
		t.Errorf("found %q, %v", found.Init.Content, err)
	}
}

func TestALinkIsTakenAlong(t *testing.T) {
	var b bytes.Buffer
	a := initrd.NewArchive(&b)
	a.Link("init", "usr/lib/systemd/systemd")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := initrd.Read(b.Bytes())
	if err != nil || string(found.Init.Content) != "usr/lib/systemd/systemd" || found.Init.Mode != 0o120777 {
		t.Errorf("found %q of mode %o, %v", found.Init.Content, found.Init.Mode, err)
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	linked := bytes.Replace(archive(t, "init=x"), []byte("00000001000000"), []byte("00000002000000"), 1)
	whole := pack(t, initrd.Zstd, archive(t, "init=x"))
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"noise":        {[]byte("no initrd at all"), "byte 0 begins no archive and no packing that is known (cpio, gzip, xz, zstd, lz4)"},
		"no init":      {archive(t, "bin/sh=x"), "it has no /init"},
		"empty":        {nil, "it has no /init"},
		"hard link":    {linked, "its /init is the same file as another, so it cannot be replaced alone"},
		"cut off":      {whole[:len(whole)-9], "the zstd archive at byte 0: it is cut off"},
		"noise behind": {append(padded(bytes.Clone(whole), 4), "BZh91AY"...), "begins no archive"},
		"not aligned":  {append([]byte{0}, archive(t, "init=x")...), "an archive begins at byte 1, which is not a multiple of 4"},
	} {
		_, err := initrd.Read(c.data)
		if !errors.Is(err, initrd.ErrUnknown) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzInitrd(f *testing.F) {
	for _, p := range packings {
		f.Add(pack(f, p, archive(f, "bin/sh=shell", "init=x")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := initrd.Read(data)
		if err != nil {
			return
		}
		if _, err := found.Ride([]byte("ours"), nil); err != nil {
			t.Fatal(err)
		}
	})
}
