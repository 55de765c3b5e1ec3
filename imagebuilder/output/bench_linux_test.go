package output

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringboot/imagebuilder/iso9660"
	"ringboot/rehearsal/need"
)

const (
	benchSize = 1400 << 20 // of the filler; what a stock image has
	rounds    = 3
)

// bigBase makes a hybrid image of 1.4 GB that nothing can compress.
func bigBase(b *testing.B, dir string) string {
	b.Helper()
	tree := filepath.Join(dir, "tree")
	for _, d := range []string{"proxmox/packages", "boot/grub", ".disk"} {
		if err := os.MkdirAll(filepath.Join(tree, d), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(tree, "pve-base.squashfs"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	src, buf := rand.NewChaCha8([32]byte{1}), make([]byte, 1<<20)
	for range benchSize >> 20 {
		_, _ = src.Read(buf) // never fails
		if _, err := w.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	for i := range 1200 {
		name := fmt.Sprintf("proxmox/packages/libpackage%d-perl_1.%d_amd64.deb", i, i)
		if err := os.WriteFile(filepath.Join(tree, name), []byte(name), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	base := filepath.Join(dir, "base.iso")
	run(b, "grub-mkrescue", "-o", base, tree, "--", "-volid", "PVE")
	if err := os.RemoveAll(tree); err != nil {
		b.Fatal(err)
	}
	return base
}

func run(b testing.TB, argv ...string) {
	b.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// timed removes what is in the way, lets the disk settle and measures.
func timed(b *testing.B, outputs []string, work func()) time.Duration {
	b.Helper()
	for _, o := range outputs {
		if err := os.RemoveAll(o); err != nil {
			b.Fatal(err)
		}
	}
	syscall.Sync()
	start := time.Now()
	work()
	return time.Since(start)
}

// ours runs a whole process and gives its peak memory in MiB.
func ours(b *testing.B, base string, outputs ...string) (peak float64) {
	b.Helper()
	cmd, lines := start(b, base, "nameless", outputs...)
	for lines.Scan() {
	}
	if code := exitOf(cmd); code != 0 {
		b.Fatalf("ended with %d: %s", code, cmd.Stderr)
	}
	return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return d[len(d)/2].Seconds()
}

// BenchmarkImage compares, in turns, a whole process of ours with cp and with the
// official procedure. All of them end with the image on the disk: ours syncs
// by itself, the others are followed by sync of the file.
func BenchmarkImage(b *testing.B) {
	need.Tools(b, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "cp:coreutils", "sync:coreutils")
	dir := b.TempDir()
	base := bigBase(b, dir)
	extra := filepath.Join(dir, "extra")
	if err := os.WriteFile(extra, make([]byte, 3<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	uuid := uuidOf(b, base)
	work, mine, copied, official := filepath.Join(dir, "work"), filepath.Join(dir, "ours"), filepath.Join(dir, "cp"), filepath.Join(dir, "official")
	everything := []string{work, mine, copied, official}
	for b.Loop() {
		var we, cp, vendor []time.Duration
		var peak float64
		run(b, "dd", "if="+base, "of=/dev/null", "bs=1M") // into the page cache, for all alike
		for range rounds {
			cp = append(cp, timed(b, everything, func() { run(b, "cp", base, copied); run(b, "sync", copied) }))
			we = append(we, timed(b, everything, func() { peak = max(peak, ours(b, base, mine)) }))
			vendor = append(vendor, timed(b, everything, func() {
				run(b, "cp", base, work)
				for _, name := range []string{"/auto-installer-mode.toml", "/answer.toml", "/proxmox-first-boot"} {
					run(b, "xorriso", "-boot_image", "any", "keep", "-volume_date", "uuid", uuid, "-dev", work, "-map", extra, name)
				}
				run(b, "cp", work, official)
				run(b, "sync", official)
			}))
		}
		need.Figure("image.cp_s", median(cp), "s")
		need.Figure("image.ours_s", median(we), "s")
		need.Figure("image.official_s", median(vendor), "s")
		need.Figure("image.vs_cp", median(we)/median(cp), "ratio")
		need.Figure("image.vs_official", median(we)/median(vendor), "ratio")
		need.Figure("image.peak_rss_mib", peak, "mib")
	}
}

func uuidOf(b *testing.B, base string) string {
	b.Helper()
	f, err := os.Open(base)
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

// BenchmarkReflink makes three images at once on file systems that share
// blocks. The figure is the slower of the two.
func BenchmarkReflink(b *testing.B) {
	need.Root(b)
	need.Tools(b, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools", "mkfs.btrfs:btrfs-progs", "mkfs.xfs:xfsprogs")
	dir := b.TempDir()
	base := bigBase(b, dir)
	var seconds, room, peak float64
	for _, fs := range []struct{ name, mkfs string }{
		{"btrfs", "mkfs.btrfs -q"}, {"xfs", "mkfs.xfs -q -m reflink=1"},
	} {
		b.Run(fs.name, func(b *testing.B) {
			mnt := filepath.Join(dir, fs.name)
			disk := mnt + ".disk"
			run(b, "sh", "-c", fmt.Sprintf("mkdir -p %s && truncate -s 4G %s && %s %s", mnt, disk, fs.mkfs, disk))
			run(b, "mount", "-o", "loop", disk, mnt)
			b.Cleanup(func() {
				run(b, "umount", mnt)
				if err := os.Remove(disk); err != nil {
					b.Error(err)
				}
			})
			there := filepath.Join(mnt, "base.iso")
			run(b, "cp", base, there)
			outputs := []string{filepath.Join(mnt, "frege"), filepath.Join(mnt, "russell"), filepath.Join(mnt, "wittgenstein")}
			for b.Loop() {
				var took []time.Duration
				for range rounds {
					before := int64(0)
					took = append(took, timed(b, outputs, func() {
						before = used(b, mnt)
						peak = max(peak, ours(b, there, outputs...))
					}))
					syscall.Sync()
					room = max(room, float64(used(b, mnt)-before)/(1<<20))
				}
				need.Figure("image.reflink_three_"+fs.name+"_s", median(took), "s")
				seconds = max(seconds, median(took))
			}
		})
	}
	need.Figure("image.reflink_three_s", seconds, "s")
	need.Figure("image.reflink_three_more_room", room, "mib")
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
