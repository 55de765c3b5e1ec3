package rehearsal_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/profiles"
	"ringboot/rehearsal"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

func needMachines(t testing.TB) {
	t.Helper()
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "debootstrap", "mksquashfs:squashfs-tools",
		"apt-get:apt", "depmod:kmod", "qemu-system-x86_64:qemu-system-x86")
	need.File(t, "/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf")
	need.File(t, "/usr/lib/grub/i386-pc/cdboot.img", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/part_gpt.mod", "grub-efi-amd64-bin")
}

// practice opens the practice ISO.
func practice(t testing.TB) *imagebuilder.Base {
	t.Helper()
	path, err := base.Practice(t.Context(), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	h := sha256.New()
	size, err := io.Copy(h, file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := imagebuilder.OpenBase(file, size, filepath.Base(path), hex.EncodeToString(h.Sum(nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// table lays out a rehearsal. Its directory is kept where RINGBOOT_REHEARSAL
// names one, and is the test's own otherwise.
func table(t testing.TB, o rehearsal.Options) *rehearsal.Rehearsal {
	t.Helper()
	var err error
	o.Base, o.Builder, o.Profile = practice(t), "test", profiles.Default()
	if o.Agent, err = agent.Binary(); err != nil {
		t.Fatal(err)
	}
	if o.Dir = os.Getenv("RINGBOOT_REHEARSAL"); o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Say = func(e rehearsal.Event) { fmt.Printf("%7.1f %-14s %s\n", e.At.Seconds(), e.Node, e.Text) }
	r, err := rehearsal.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// target is the step that a trip must have done on all nodes.
func target() string { // proof: three members, all of them proven
	if s := os.Getenv("RINGBOOT_REHEARSAL_UNTIL"); s != "" {
		return s
	}
	return "proof"
}

func TestTrip(t *testing.T) {
	needMachines(t)
	r := table(t, rehearsal.Options{Firmware: qemu.UEFI, StickFirst: true, CPUs: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
	defer cancel()
	if err := r.PowerOnAll(ctx); err != nil {
		t.Fatal(err)
	}
	err := r.Wait(ctx, "the trip", rehearsal.AllPast(target()))
	t.Log("\n" + r.Report("The trip", err))
	if err != nil {
		t.Fatal(err)
	}
}
