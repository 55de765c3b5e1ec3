package rehearsal_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
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
	if o.Agent, err = agent.Binary(); err != nil {
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

// target is the step that a trip must have done on all nodes.
func target() string {
	if s := os.Getenv("RINGBOOT_REHEARSAL_UNTIL"); s != "" {
		return s
	}
	return "proof"
}

// TestTrip is the whole trip: three blank machines with UEFI and their sticks
// in them, which they prefer to their disks and which nobody takes out; from
// power-on to three proven members of one cluster.
func TestTrip(t *testing.T) {
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
		if v.Record == nil {
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

// TestSeededFaults gives each of three machines another fault. Each must be
// named by the machine itself, in one line.
func TestSeededFaults(t *testing.T) {
	needMachines(t)
	faults := map[string]string{
		"frege":        "unknown field `reboot-mood` in \\[global\\]",
		"russell":      "installation of package ringboot_0~test_amd64.deb failed",
		"wittgenstein": "ringboot.service: Failed with result",
	}
	r := table(t, rehearsal.Options{
		Firmware: qemu.UEFI, CPUs: 1,
		Change: func(node string, request *imagebuilder.Request) error {
			if node == "wittgenstein" {
				request.Agent = []byte("#!/bin/sh\nexit 1\n")
			}
			return nil
		},
		Spoil: func(node, path string) error {
			switch node {
			case "frege":
				return replace(path, []byte("reboot-mode"), []byte("reboot-mood"))
			case "russell":
				return spoilPackage(path)
			}
			return nil
		},
	})
	ctx, cancel := context.WithTimeoutCause(t.Context(), tripTime, errors.New("the faults took too long"))
	defer cancel()
	if err := r.PowerOnAll(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.WaitFailures(ctx, r.Nodes()...); err != nil {
		t.Error(err)
	}
	caught := 0
	for node, want := range faults {
		if got := r.Failures()[node]; regexp.MustCompile(want).MatchString(got) {
			caught++
		} else {
			t.Errorf("%s said %q, want %q", node, got, want)
		}
	}
	need.Figure("rehearsal.seeded_faults", len(faults), "count")
	need.Figure("rehearsal.seeded_faults_caught", caught, "count")
}

// replace replaces the only place of some bytes in an image.
func replace(path string, old, new []byte) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(content, old); n != 1 {
		return fmt.Errorf("%q stands %d times in %s, not once", old, n, path)
	}
	copy(content[bytes.Index(content, old):], new)
	return os.WriteFile(path, content, 0o600)
}

// spoilPackage damages the last large package of an image, which is the agent's.
func spoilPackage(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const block, enough = 2048, 1 << 20
	at, last := -1, len(content)
	for i := len(content) / block * block; i >= 0; i -= block {
		if bytes.HasPrefix(content[i:], []byte("!<arch>\n")) {
			if last-i > enough {
				at = i
				break
			}
			last = i
		}
	}
	if at < 0 {
		return fmt.Errorf("no large package in %s", path)
	}
	for i := range content[at+enough : at+enough+64] {
		content[at+enough+i] ^= 0xff
	}
	return os.WriteFile(path, content, 0o600)
}

// TestDrillWrongDisks is the drill that must never fail: nothing is erased on
// a machine that the image was not made for.
func TestDrillWrongDisks(t *testing.T) {
	needMachines(t)
	o := rehearsal.DrillOptions{Until: "proof", Seed: 1, Patient: tripTime}
	o.Options = options(t, rehearsal.Options{Firmware: qemu.BIOS, CPUs: 1})
	out, err := rehearsal.RunDrill(t.Context(), "wrong-disks", o)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	if out.Err != nil {
		failed = 1
		t.Error(out.Err)
	}
	if out.Wrote != 0 {
		t.Errorf("%d bytes were written", out.Wrote)
	}
	need.Figure("rehearsal.drills", 1, "count")
	need.Figure("rehearsal.drills_failed", failed, "count")
}
