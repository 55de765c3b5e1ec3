package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/iso9660"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
)

const (
	benchFiller = 1400 // MiB; with it the base has the size of a stock ISO
	rounds      = 5
)

// bigBase is a stock ISO of the usual size, in the page cache.
func bigBase(b *testing.B, dir string) string {
	b.Helper()
	need.Tools(b, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "cp:coreutils", "sync:coreutils")
	needAgent(b)
	path, err := base.Skeleton(b.Context(), dir, base.SkeletonOptions{Filler: benchFiller})
	if err != nil {
		b.Fatal(err)
	}
	return path
}

func tool(b testing.TB, argv ...string) {
	b.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// peakLine begins with the peak of the resident set in kB, proc_pid_status(5).
const peakLine = "VmHWM:"

// ours runs mkimage as a process of its own, with a keyring and a cache in home,
// and returns its peak of memory in MiB. It is the program that users run: a test
// binary is larger. What wait(2) says counts the memory of the parent, too, so
// the process is looked at until it ends; its peak comes long before.
func ours(b *testing.B, home string, args ...string) float64 {
	b.Helper()
	program := filepath.Join(home, "mkimage")
	if _, err := os.Stat(program); err != nil {
		tool(b, "go", "build", "-o", program, "ringboot/cmd/mkimage")
	}
	var said bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &said
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CACHE_HOME="+home)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	peak := 0.0
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("mkimage %v: %v\n%s", args, err, said.String())
			}
			return peak / 1024
		case <-look.C:
			peak = max(peak, peakOf(cmd.Process.Pid))
		}
	}
}

// peakOf is the peak of a process in KiB, 0 if it has ended.
func peakOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), peakLine)
	kib, err := strconv.ParseFloat(strings.Fields(rest + " 0")[0], 64)
	if err != nil {
		return 0
	}
	return kib
}

// timed removes what is in the way, lets the disk settle and measures.
func timed(b *testing.B, outputs []string, work func()) float64 {
	b.Helper()
	for _, o := range outputs {
		if err := os.RemoveAll(o); err != nil {
			b.Fatal(err)
		}
	}
	syscall.Sync()
	begin := time.Now()
	work()
	return time.Since(begin).Seconds()
}

func median(v []float64) float64 {
	return slices.Sorted(slices.Values(v))[len(v)/2]
}

// ratios divides each value by the one of the same round: what slows the
// machine down for a while then slows both.
func ratios(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		out[i] = a[i] / b[i]
	}
	return out
}

// BenchmarkImage compares, in turns, a whole mkimage with cp and with the
// official procedure. All of them end with the image on the disk: mkimage
// syncs by itself, the others are followed by sync of the file. The checksum
// of the ISO is known, as from the second image on.
func BenchmarkImage(b *testing.B) {
	dir := b.TempDir()
	stock := bigBase(b, dir)
	extra := filepath.Join(dir, "extra")
	if err := os.WriteFile(extra, make([]byte, 3<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	uuid := uuidOf(b, stock)
	work, mine, copied, official := filepath.Join(dir, "work"), filepath.Join(dir, "ours"), filepath.Join(dir, "cp"), filepath.Join(dir, "official")
	everything := []string{work, mine, copied, official}
	var peak float64
	one := func() {
		peak = max(peak, ours(b, dir, "--node", "frege", "--iso", stock, "--out", mine))
	}
	byCopy := func() { tool(b, "cp", stock, copied); tool(b, "sync", copied) }
	one() // makes the keyring, and reads the base into the page cache for all alike
	for b.Loop() {
		var we, cp, vendor []float64
		for i := range rounds {
			if i%2 == 0 { // neither is always the first
				cp = append(cp, timed(b, everything, byCopy))
			}
			we = append(we, timed(b, everything, one))
			if i%2 == 1 {
				cp = append(cp, timed(b, everything, byCopy))
			}
			vendor = append(vendor, timed(b, everything, func() {
				tool(b, "cp", stock, work)
				for _, name := range []string{"/auto-installer-mode.toml", "/answer.toml", "/proxmox-first-boot"} {
					tool(b, "xorriso", "-boot_image", "any", "keep", "-volume_date", "uuid", uuid, "-dev", work, "-map", extra, name)
				}
				tool(b, "cp", work, official)
				tool(b, "sync", official)
			}))
		}
		need.Figure("image.cp_s", median(cp), "s")
		need.Figure("image.ours_s", median(we), "s")
		need.Figure("image.official_s", median(vendor), "s")
		need.Figure("image.vs_cp", median(ratios(we, cp)), "ratio")
		need.Figure("image.vs_official", median(ratios(we, vendor)), "ratio")
		need.Figure("image.peak_rss_mib", peak, "mib")
	}
}

func uuidOf(b *testing.B, stock string) string {
	b.Helper()
	f, err := os.Open(stock)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	img, err := iso9660.Open(f, st.Size())
	if err != nil {
		b.Fatal(err)
	}
	return strings.ReplaceAll(img.UUID(), "-", "")
}

// BenchmarkReflink makes the images of all nodes at once, with a whole mkimage,
// on file systems that share blocks. The figure is the slower of the two.
func BenchmarkReflink(b *testing.B) {
	need.Root(b)
	need.Tools(b, "mkfs.btrfs:btrfs-progs", "mkfs.xfs:xfsprogs")
	dir := b.TempDir()
	stock := bigBase(b, dir)
	var seconds, room, peak float64
	for _, fs := range []struct{ name, mkfs string }{
		{"btrfs", "mkfs.btrfs -q"}, {"xfs", "mkfs.xfs -q -m reflink=1"},
	} {
		b.Run(fs.name, func(b *testing.B) {
			mnt := mounted(b, filepath.Join(dir, fs.name), fs.mkfs)
			there, out := filepath.Join(mnt, "base.iso"), filepath.Join(mnt, "out")
			tool(b, "cp", stock, there)
			all := func() { peak = max(peak, ours(b, dir, "--all", "--iso", there, "--out", out)) }
			all() // makes the keyring and takes the checksum
			for b.Loop() {
				var took []float64
				for range rounds {
					before := int64(0)
					took = append(took, timed(b, []string{out}, func() {
						before = used(b, mnt)
						all()
					}))
					syscall.Sync()
					room = max(room, float64(used(b, mnt)-before)/(1<<20))
				}
				need.Figure("image.reflink_three_"+fs.name+"_s", median(took), "s")
				seconds = max(seconds, median(took))
			}
			phases(b, fs.name, there, out, dir)
		})
	}
	need.Figure("image.reflink_three_s", seconds, "s")
	need.Figure("image.reflink_three_more_room", room, "mib")
	need.Figure("image.reflink_three_peak_rss_mib", peak, "mib")
}

// phases tells where the time goes, within one process.
func phases(b *testing.B, name, stock, out, home string) {
	b.Helper()
	b.Setenv("HOME", home)
	b.Setenv("XDG_DATA_HOME", home)
	b.Setenv("XDG_CACHE_HOME", home)
	m := &making{t: cli.NewTerminal(nil, io.Discard, io.Discard), all: true, iso: stock, out: out}
	ctx := context.Background()
	var pack, build, write []float64
	for range rounds {
		c, err := loadProfile(m.t, "")
		check(b, err)
		nodes, err := c.choose("", true, "")
		check(b, err)
		source, err := openSource(ctx, m.t, stock, false)
		check(b, err)
		k, err := c.complete(ctx, m.t)
		check(b, err)
		binary, err := agent.Open()
		check(b, err)
		pack = append(pack, timed(b, nil, func() {
			_, err := imagebuilder.PackAgent(binary, version, source.Base)
			check(b, err)
		}))
		var images []*imagebuilder.Image
		build = append(build, timed(b, nil, func() {
			look, err := m.preflight(source)
			check(b, err)
			images, err = m.build(c, nodes, source.Base, k, binary, look)
			check(b, err)
		}))
		write = append(write, timed(b, nil, func() {
			_, err := m.writeAll(ctx, c, nodes, images)
			check(b, err)
		}))
		check(b, source.Close())
	}
	need.Figure("image.reflink_"+name+"_pack_agent_s", median(pack), "s")
	need.Figure("image.reflink_"+name+"_build_with_pack_s", median(build), "s")
	need.Figure("image.reflink_"+name+"_write_and_sync_s", median(write), "s")
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// mounted makes a file system in a file and mounts it for the time of the benchmark.
func mounted(b *testing.B, mnt, mkfs string) string {
	b.Helper()
	disk := mnt + ".disk"
	tool(b, "sh", "-c", fmt.Sprintf("mkdir -p %s && truncate -s 4G %s && %s %s", mnt, disk, mkfs, disk))
	tool(b, "mount", "-o", "loop", disk, mnt)
	b.Cleanup(func() {
		tool(b, "umount", mnt)
		if err := os.Remove(disk); err != nil {
			b.Error(err)
		}
	})
	return mnt
}

// used is how much of a file system is taken, in bytes.
func used(b *testing.B, dir string) int64 {
	b.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		b.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}
