package iso9660_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringboot/imagebuilder/iso9660"
	"ringboot/rehearsal/need"
)

// usual are the edits that mkimage makes.
func usual() []iso9660.Edit {
	return []iso9660.Edit{
		{Path: "/auto-installer-mode.toml", Content: []byte("mode = \"iso\"\n")},
		{Path: "/answer.toml", Content: []byte("[global]\n"), Mode: 0o400},
		{Path: "/ringboot-manifest.json", Content: []byte("{}\n")},
		{Path: "/ringboot.cfg", Content: []byte("set timeout=5\n")},
		{Path: "/empty", Content: nil},
		{Path: "/proxmox/packages/ringboot_1.0_amd64.deb", Content: bytes.Repeat([]byte("agent"), 100_000)},
		{Path: "/proxmox/packages/ringboot-seed_0123456789ab_all.deb", Content: bytes.Repeat([]byte("seed"), 700)},
		{Path: "/boot/grub/grub.cfg", Content: []byte("source /ringboot.cfg\n"), Replace: true, InPlace: true},
	}
}

// crowd is more new files than the root directory has room for, so that all
// directories have to move.
func crowd() []iso9660.Edit {
	edits := usual()
	for i := range 24 {
		edits = append(edits, iso9660.Edit{
			Path:    fmt.Sprintf("/a-file-with-a-rather-long-name-%02d.config", i),
			Content: fmt.Appendf(nil, "file %d\n", i),
		})
	}
	return edits
}

// media are the images that the edits must hold on.
var media = []struct {
	name  string
	stock stock
	edits func() []iso9660.Edit
	moved bool // the directories have to move
}{
	{"as shipped", stock{packages: 60}, usual, false},
	{"as shipped, moved", stock{packages: 60}, crowd, true},
	{"joliet", stock{packages: 60, options: []string{"-joliet", "on"}}, usual, false},
	{"joliet, moved", stock{packages: 60, options: []string{"-joliet", "on"}}, crowd, true},
	{"deep tree, moved", stock{packages: 200, depth: 12}, crowd, true},
	{"rock ridge 1.12", stock{packages: 40, options: []string{"-compliance", "new_rr"}}, usual, false},
	{"rock ridge 1.12, moved", stock{packages: 40, options: []string{"-compliance", "new_rr"}}, crowd, true},
}

func TestEditedImagesHoldForEveryReader(t *testing.T) {
	need.Slow(t)
	for _, m := range media {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			src := m.stock.build(t)
			before := load(t, src)
			img := open(t, before)
			p, err := iso9660.Plan(img, m.edits())
			if err != nil {
				t.Fatal(err)
			}
			after := all(t, p)
			if moved := rootExtent(after) != rootExtent(before); moved != m.moved {
				t.Errorf("root directory moved: %v, want %v", moved, m.moved)
			}
			checkUntouched(t, before, after, img)
			checkReset(t, before, after)
			checkContent(t, after, m.edits())
			out := save(t, "patched.iso", after)
			checkReaders(t, src, out, m.edits(), img.HasJoliet())
		})
	}
}

// rootExtent is where the primary volume descriptor puts the root directory.
func rootExtent(image []byte) uint32 {
	return binary.LittleEndian.Uint32(image[16*iso9660.BlockSize+156+2:])
}

// checkUntouched proves that only directories, path tables, descriptors and
// the file that is written in place differ.
func checkUntouched(t *testing.T, before, after []byte, img *iso9660.Image) {
	t.Helper()
	if !bytes.Equal(before[:32768], after[:32768]) {
		t.Error("the system area changed")
	}
	const pvd = 16 * iso9660.BlockSize
	if !bytes.Equal(before[pvd+813:pvd+881], after[pvd+813:pvd+881]) {
		t.Error("the dates of the volume descriptor changed")
	}
	if entries, catalog := img.Boot(); len(entries) != 2 || catalog == 0 {
		t.Errorf("boot catalog at %d with %v, want an entry for BIOS and one for UEFI", catalog, entries)
	}
	grub, err := img.Lookup("/boot/grub/grub.cfg")
	if err != nil {
		t.Fatal(err)
	}
	var changed []int
	for at := 0; at < len(before); at += iso9660.BlockSize {
		off := int64(at)
		inGrub := off >= grub.Extents[0].Off && off < grub.Extents[0].Off+grub.Extents[0].Len
		if !inGrub && !bytes.Equal(before[at:at+iso9660.BlockSize], after[at:at+iso9660.BlockSize]) {
			changed = append(changed, at/iso9660.BlockSize)
		}
	}
	// Descriptors 16 and 18, path tables and directories: all of them lie
	// before the first file, which is the UEFI boot image or what is before it.
	first := len(before) / iso9660.BlockSize
	if err := img.Walk(func(f iso9660.File) error {
		if f.Size > 0 && f.Mode.IsRegular() {
			first = min(first, int(f.Extents[0].Off/iso9660.BlockSize))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, lba := range changed {
		if lba == 17 || lba >= first {
			t.Errorf("block %d changed; files begin at %d", lba, first)
		}
	}
	if len(changed) == 0 || len(changed) > 12 {
		t.Errorf("%d blocks of the base changed: %v", len(changed), changed)
	}
}

func checkReset(t *testing.T, before, after []byte) {
	t.Helper()
	stock, ok, err := iso9660.Original(bytes.NewReader(after), int64(len(after)))
	if err != nil || !ok {
		t.Fatalf("no way back to the stock image: %v, %v", ok, err)
	}
	if back := all(t, stock); sum(back) != sum(before) {
		t.Error("reset does not give back the stock image bit for bit")
	}
	if _, err := iso9660.Plan(open(t, after), usual()); err == nil || err.Error() != iso9660.ErrPrepared.Error() {
		t.Errorf("planning on a prepared image: %v", err)
	}
}

// checkContent reads the edits back through both trees.
func checkContent(t *testing.T, after []byte, edits []iso9660.Edit) {
	t.Helper()
	img := open(t, after)
	joliet := map[string]iso9660.File{}
	if err := img.WalkJoliet(func(f iso9660.File) error { joliet[f.Path] = f; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		got, err := img.ReadFile(e.Path, 1<<20)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.HasPrefix(got, e.Content) || (!e.InPlace && len(got) != len(e.Content)) {
			t.Errorf("%s holds %d bytes, not the %d that were put there", e.Path, len(got), len(e.Content))
		}
		f, err := img.Lookup(e.Path)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := e.Mode.Perm(); want != 0 && f.Mode != want {
			t.Errorf("%s has mode %v, want %v", e.Path, f.Mode, want)
		}
		if j, ok := joliet[e.Path]; img.HasJoliet() && (!ok || !slices.Equal(j.Extents, f.Extents)) {
			t.Errorf("the Joliet tree shows %s at %v, Rock Ridge at %v", e.Path, j.Extents, f.Extents)
		}
	}
	if f, err := img.Lookup("/debian"); err != nil || f.Mode&fs.ModeSymlink == 0 || f.Target != "." {
		t.Errorf("/debian is %v to %q, %v; want a link to .", f.Mode, f.Target, err)
	}
}

// says runs a reader and returns its exit code and output without what must
// differ: the name of the image, sizes of the whole.
func says(t *testing.T, image string, argv ...string) (string, int) {
	t.Helper()
	for i, a := range argv {
		argv[i] = strings.ReplaceAll(a, "IMAGE", image)
	}
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// complaint matches the lines in which readers say that something is wrong.
var complaint = regexp.MustCompile(`(?i)warn|error|fail|sorry|mismatch|corrupt|problem|caution|invalid|ignoring|unsupported|cannot|not on the end`)

func complaints(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		if complaint.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// checkReaders lets other people's programs judge. They may find nothing that
// they do not find in the stock image too, or in what the official method makes
// of it: that leaves the partition tables' sizes as they were as well.
func checkReaders(t *testing.T, src, out string, edits []iso9660.Edit, joliet bool) {
	t.Helper()
	official := officialMethod(t, src)
	readers := [][]string{
		{"xorriso", "-indev", "IMAGE", "-find", "/"},
		{"xorriso", "-indev", "IMAGE", "-check_media", "--"},
		{"isoinfo", "-l", "-i", "IMAGE"},
		{"isoinfo", "-l", "-R", "-i", "IMAGE"},
		{"7z", "t", "IMAGE"},
		{"bsdtar", "-tvf", "IMAGE"},
		{"sh", "-c", "bsdtar -xOf IMAGE >/dev/null"},
		{"sgdisk", "-v", "IMAGE"},
		{"fdisk", "-l", "IMAGE"},
	}
	if joliet {
		readers = append(readers, []string{"isoinfo", "-l", "-J", "-i", "IMAGE"})
	}
	for _, argv := range readers {
		stockSays, stockCode := says(t, src, slices.Clone(argv)...)
		officialSays, officialCode := says(t, official, slices.Clone(argv)...)
		oursSays, oursCode := says(t, out, slices.Clone(argv)...)
		if oursCode != stockCode && oursCode != officialCode {
			t.Errorf("%v ends with %d on the edited image, %d on the stock image:\n%s", argv, oursCode, stockCode, oursSays)
		}
		known := map[string]bool{}
		for _, line := range append(complaints(stockSays), complaints(officialSays)...) {
			known[number.ReplaceAllString(line, "N")] = true
		}
		for _, line := range complaints(oursSays) {
			if !known[number.ReplaceAllString(line, "N")] {
				t.Errorf("%v finds in the edited image alone: %s", argv, line)
			}
		}
	}
	list, _ := says(t, out, "isoinfo", "-f", "-R", "-i", "IMAGE")
	tar, _ := says(t, out, "bsdtar", "-tf", "IMAGE")
	tar = strings.ReplaceAll("\n"+tar, "\n./", "\n") // how it shows RRIP 1.12
	for _, e := range edits {
		if !slices.Contains(strings.Split(list, "\n"), e.Path) {
			t.Errorf("isoinfo does not list %s", e.Path)
		}
		if !slices.Contains(strings.Split(tar, "\n"), strings.TrimPrefix(e.Path, "/")) {
			t.Errorf("bsdtar does not list %s", e.Path)
		}
		got, code := says(t, out, "isoinfo", "-R", "-i", "IMAGE", "-x", e.Path)
		if code != 0 || !strings.HasPrefix(got, string(e.Content)) {
			t.Errorf("isoinfo reads %d bytes of %s, want %d", len(got), e.Path, len(e.Content))
		}
		got, code = says(t, out, "bsdtar", "-xOf", "IMAGE", strings.TrimPrefix(e.Path, "/"))
		if code != 0 || !strings.HasPrefix(got, string(e.Content)) {
			t.Errorf("bsdtar reads %d bytes of %s, want %d: %.200s", len(got), e.Path, len(e.Content), got)
		}
	}
}

// number stands for what may differ between two complaints of the same kind.
var number = regexp.MustCompile(`[0-9]+|/\S+`)

// officialMethod adds a file as proxmox-auto-install-assistant does.
func officialMethod(t testing.TB, src string) string {
	t.Helper()
	out := save(t, "official.iso", load(t, src))
	extra := filepath.Join(filepath.Dir(out), "extra")
	if err := exec.Command("sh", "-c", fmt.Sprintf("echo mode > %s", extra)).Run(); err != nil {
		t.Fatal(err)
	}
	uuid := strings.ReplaceAll(open(t, load(t, src)).UUID(), "-", "")
	msg, err := exec.Command("xorriso", "-boot_image", "any", "keep", "-volume_date", "uuid", uuid,
		"-dev", out, "-map", extra, "/auto-installer-mode.toml").CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v\n%s", err, msg)
	}
	return out
}
