package rehearsal_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

// options completes the options of a rehearsal. Its directory is kept where
// RINGBOOT_REHEARSAL names one, and is the test's own otherwise.
func options(t testing.TB, o rehearsal.Options) rehearsal.Options {
	t.Helper()
	var err error
	o.Base, o.Builder, o.Profile = practice(t), "test", profiles.Default()
	if o.Agent, err = agent.Open(); err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	if dir := os.Getenv("RINGBOOT_REHEARSAL"); dir != "" {
		o.Dir = filepath.Join(dir, t.Name())
	}
	o.Say = func(e rehearsal.Event) { fmt.Printf("%7.1f %-14s %s\n", e.At.Seconds(), e.Node, e.Text) }
	return o
}

// table lays out a rehearsal.
func table(t testing.TB, o rehearsal.Options) *rehearsal.Rehearsal {
	t.Helper()
	r, err := rehearsal.New(t.Context(), options(t, o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// target is the step that a trip must have done on all nodes: the first one,
// whose end shows that images, installer, guard and agent fit together, or the
// one that RINGBOOT_REHEARSAL_UNTIL names.
func target() string {
	if s := os.Getenv("RINGBOOT_REHEARSAL_UNTIL"); s != "" {
		return s
	}
	return "identity"
}

// BenchmarkTrip is the trip: three blank machines with UEFI and their sticks in
// them, which they prefer to their disks and which nobody takes out; from
// power-on to the target. It is measured and no test: emulated, it takes both
// processors for minutes, and time-outs of the agent judge a starved machine.
func BenchmarkTrip(t *testing.B) {
	needMachines(t)
	r := table(t, rehearsal.Options{Firmware: qemu.UEFI, StickFirst: true, CPUs: 1})
	ctx, cancel := context.WithTimeoutCause(t.Context(), tripTime, errors.New("the trip took too long"))
	defer cancel()
	start := time.Now()
	if err := r.PowerOnAll(ctx); err != nil {
		t.Fatal(err)
	}
	err := r.Wait(ctx, "the trip", rehearsal.AllPast(target()))
	t.Log("\n" + r.Report("The trip", err))
	if err != nil {
		t.Fatal(err)
	}
	need.Figure("rehearsal.trip_s", time.Since(start).Seconds(), "s")
	for _, s := range r.Timeline() {
		need.Figure("rehearsal.stage."+s.Stage+"_s", s.Took.Seconds(), "s")
	}
	var wrote int64
	for _, v := range r.Views() {
		if v.Installs != 1 {
			t.Errorf("%s was installed %d times with its stick left in", v.Node, v.Installs)
		}
		if v.Record == nil && slices.Index(rehearsal.Steps, target()) >= slices.Index(rehearsal.Steps, "peers") {
			t.Errorf("%s was never heard over multicast DNS", v.Node)
		}
		n, err := r.BytesChanged(v.Node, false, false)
		if err != nil {
			t.Fatal(err)
		}
		wrote += n
	}
	if wrote > 0 {
		t.Errorf("%d bytes were written to disks that are not the system's", wrote)
	}
	need.Figure("rehearsal.wrong_disk_bytes_written", wrote, "bytes")
}

// tripTime is several times what a trip takes on two processors of one's own.
const tripTime = 30 * time.Minute
