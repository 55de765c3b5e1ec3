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

// otherVersion is a version of pve-manager that the practice ISO does not have.
const otherVersion = "9.2.10"

// practice opens the practice ISO; manager is its version of pve-manager, or "".
func practice(t testing.TB, manager string) *imagebuilder.Base {
	t.Helper()
	path, err := base.PracticeOf(t.Context(), manager, func(s string) { t.Log(s) })
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
	o.Base, o.Builder, o.Profile, o.Old = practice(t, ""), "test", profiles.Default(), rehearsal.Replace
	if o.Agent, err = agent.Open(); err != nil {
		t.Fatal(err)
	}
	if o.Look, err = agent.Preflight(); err != nil {
		t.Fatal(err)
	}
	o.Dir = t.TempDir()
	if dir := os.Getenv("RINGBOOT_REHEARSAL"); dir != "" {
		o.Dir = filepath.Join(dir, t.Name())
	}
	o.Say = func(e rehearsal.Event) { fmt.Printf("%7.1f %-14s %s\n", e.At.Seconds(), e.Node, e.Text) }
	return o
}

// target is the step that a trip must have done on all nodes, which
// RINGBOOT_REHEARSAL_UNTIL may name.
func target() string {
	if s := os.Getenv("RINGBOOT_REHEARSAL_UNTIL"); s != "" {
		return s
	}
	return "proof"
}

// tripTime is several times what a trip takes on two processors of one's own.
const tripTime = 30 * time.Minute

// TestTheTrip is the trip: three blank machines with UEFI and their sticks in
// them, which they prefer to their disks and which nobody takes out; from
// power-on to three proven members. Then all of them lose their power, come
// back with the sticks still in, and are one cluster.
func TestTheTrip(t *testing.T) {
	needMachines(t)
	r, err := rehearsal.New(t.Context(), options(t, rehearsal.Options{Firmware: qemu.UEFI, StickFirst: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	ctx, cancel := context.WithTimeoutCause(t.Context(), tripTime, errors.New("the trip took too long"))
	defer cancel()
	start := time.Now()
	err = r.Trip(ctx, target())
	t.Log("\n" + r.Report("The trip", err))
	if err != nil {
		t.Fatal(err)
	}
	need.Figure("rehearsal.trip_s", time.Since(start).Seconds(), "s")
	for _, s := range r.Timeline() {
		need.Figure("rehearsal.stage."+s.Stage+"_s", s.Took.Seconds(), "s")
	}
	start = time.Now()
	if err := r.CutAndReturn(ctx, r.Nodes(), target()); err != nil {
		t.Fatal(err)
	}
	need.Figure("rehearsal.return_s", time.Since(start).Seconds(), "s")
	if err := r.Judge(target()); err != nil {
		t.Error(err)
	}
}

// drills runs drills one after the other, each on a table of its own.
func drills(t testing.TB, names ...string) (sum rehearsal.Outcome, failed int) {
	o := rehearsal.DrillOptions{Options: options(t, rehearsal.Options{Firmware: qemu.UEFI}), Until: target(), Patient: tripTime, Seed: 7}
	if slices.Contains(names, "other-version") {
		o.Other = practice(t, otherVersion)
	}
	for _, name := range names {
		out, err := rehearsal.RunDrill(t.Context(), name, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %.0f s: %s: %v", name, out.Seconds, out.Says, out.Err)
		if out.Err != nil {
			failed++
			t.Errorf("%s: %v", name, out.Err)
		}
		sum.Faults, sum.Caught, sum.Wrote = sum.Faults+out.Faults, sum.Caught+out.Caught, sum.Wrote+out.Wrote
	}
	return sum, failed
}

// TestWrongDisksAreLeftAlone is the one drill that every run of the tests can afford.
func TestWrongDisksAreLeftAlone(t *testing.T) {
	needMachines(t)
	sum, _ := drills(t, "wrong-disks")
	need.Figure("rehearsal.wrong_disk_bytes_written", sum.Wrote, "bytes")
}

// BenchmarkDrills runs all of them: about forty minutes on two processors.
func BenchmarkDrills(b *testing.B) {
	needMachines(b)
	var names []string
	for _, d := range rehearsal.Drills() {
		names = append(names, d.Name)
	}
	for b.Loop() {
		sum, failed := drills(b, names...)
		need.Figure("rehearsal.drills", len(names), "count")
		need.Figure("rehearsal.drills_failed", failed, "count")
		need.Figure("rehearsal.seeded_faults", sum.Faults, "count")
		need.Figure("rehearsal.seeded_faults_caught", sum.Caught, "count")
	}
}
