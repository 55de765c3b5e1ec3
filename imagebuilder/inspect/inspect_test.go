package inspect_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/iso9660/isotest"
	"ringboot/imagebuilder/manifest"
	"ringboot/rehearsal/need"
)

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// contents are the files of a prepared image.
var contents = map[string]string{
	"/answer.toml":                           "[global]\nroot-password-hashed = \"$y$secret\"\n",
	"/auto-installer-mode.toml":              "mode = \"iso\"\n",
	"/ringboot-ticket":                       "armed\n",
	"/proxmox/packages/ringboot_1_amd64.deb": "the agent",
}

// prepare makes a prepared image of a stock one, with some of the files
// missing from the manifest if unlisted names them.
func prepare(t testing.TB, stock []byte, unlisted string) []byte {
	t.Helper()
	img, err := iso9660.Open(bytes.NewReader(stock), int64(len(stock)))
	if err != nil {
		t.Fatal(err)
	}
	m := manifest.Manifest{
		Version: manifest.Version, Builder: "test", Cluster: "philosophers", Node: "frege",
		Plan: "p", NodePlan: "n", Base: manifest.Input{Name: "stock.iso", Size: int64(len(stock)), SHA256: sum(stock)},
	}
	var edits []iso9660.Edit
	for path, text := range contents {
		edits = append(edits, iso9660.Edit{Path: path, Content: []byte(text)})
		if path == unlisted {
			continue
		}
		m.Files = append(m.Files, manifest.File{
			Path: path, Size: int64(len(text)), SHA256: sum([]byte(text)),
			Secret: path == "/answer.toml", Changes: path == "/ringboot-ticket",
		})
	}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p, err := iso9660.Plan(img, append(edits, iso9660.Edit{Path: manifest.Path, Content: text}))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Stream(t.Context(), &b, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func stock(o isotest.Options) []byte { return isotest.Build(isotest.Stock(), o) }

func verify(t testing.TB, image []byte, o inspect.Options) inspect.Result {
	t.Helper()
	res, err := inspect.Verify(t.Context(), bytes.NewReader(image), int64(len(image)), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestVerifyProvesASoundImage(t *testing.T) {
	for name, o := range map[string]isotest.Options{"rock ridge": {}, "joliet": {Joliet: true}, "rrip 1.12": {RRIP12: true}} {
		t.Run(name, func(t *testing.T) {
			image := prepare(t, stock(o), "")
			// On a stick more follows than the image.
			stick := append(slices.Clone(image), make([]byte, 1<<20)...)
			for _, medium := range [][]byte{image, stick} {
				res := verify(t, medium, inspect.Options{})
				if !res.Sound() || !res.StockProven || len(res.Files) != len(contents) || res.Node != "frege" {
					t.Errorf("%+v", res)
				}
			}
			if res := verify(t, image, inspect.Options{Quick: true}); !res.Sound() || res.StockProven {
				t.Errorf("quick: %+v", res)
			}
		})
	}
}

// The table says what each kind of damage sounds like.
func TestVerifyNamesEveryDamage(t *testing.T) {
	sound := prepare(t, stock(isotest.Options{Joliet: true}), "")
	find := func(b []byte, text string) int {
		at := bytes.Index(b, []byte(text))
		if at < 0 {
			t.Fatalf("%q is not in the image", text)
		}
		return at
	}
	ucs2 := func(s string) string {
		var b strings.Builder
		for _, r := range s {
			b.WriteByte(0)
			b.WriteRune(r)
		}
		return b.String()
	}
	for _, c := range []struct {
		name   string
		damage func(b []byte)
		want   []string
	}{
		{"a file's content", func(b []byte) { b[find(b, "the agent")] ^= 1 }, []string{
			"/proxmox/packages/ringboot_1_amd64.deb: our reader finds another content than the manifest says",
			"/proxmox/packages/ringboot_1_amd64.deb: the second reader finds another content than the manifest says",
		}},
		{"the ticket may change", func(b []byte) { copy(b[find(b, "armed\n"):], "spent\n") }, nil},
		{"boot code", func(b []byte) { b[100] ^= 1 }, []string{
			"the stock image under the changes is not the one of the manifest: its SHA-256 is X instead of X",
		}},
		{"a stock package", func(b []byte) { b[find(b, "another package")] ^= 1 }, []string{
			"the stock image under the changes is not the one of the manifest: its SHA-256 is X instead of X",
		}},
		{"the Joliet tree", func(b []byte) { b[find(b, ucs2("answer.toml"))-33+2]++ }, []string{
			"/answer.toml: the Joliet tree shows something else",
		}},
		{"a name", func(b []byte) { b[find(b, "ringboot-ticket")] = 'R' }, []string{
			"/Ringboot-ticket: neither the stock image nor the manifest has it",
			"/ringboot-ticket: it is missing",
		}},
		{"the blocks that are kept", func(b []byte) {
			// The saved copy of the first descriptor is the last one in the image.
			b[bytes.LastIndex(b, []byte("CD001"))] ^= 1
		}, []string{
			"the blocks that lead back to the stock image are damaged: start from the stock image",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := slices.Clone(sound)
			c.damage(b)
			var got []string
			for _, p := range verify(t, b, inspect.Options{}).Problems {
				for _, word := range strings.Fields(p) {
					if len(word) == 64 {
						p = strings.Replace(p, word, "X", 1)
					}
				}
				got = append(got, p)
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestVerifyFindsWhatTheManifestHides(t *testing.T) {
	res := verify(t, prepare(t, stock(isotest.Options{}), "/answer.toml"), inspect.Options{})
	if want := []string{"/answer.toml: neither the stock image nor the manifest has it"}; !slices.Equal(res.Problems, want) {
		t.Errorf("got %q, want %q", res.Problems, want)
	}
}

func TestVerifySaysWhyItCannotJudge(t *testing.T) {
	plain := stock(isotest.Options{})
	if _, err := inspect.Verify(t.Context(), bytes.NewReader(plain), int64(len(plain)), inspect.Options{}); !errors.Is(err, inspect.ErrNotPrepared) {
		t.Errorf("a stock image: %v", err)
	}
	if _, err := inspect.Verify(t.Context(), bytes.NewReader(nil), 0, inspect.Options{}); !errors.Is(err, iso9660.ErrNotISO) {
		t.Errorf("an empty file: %v", err)
	}
	image := prepare(t, plain, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted by the user")
	cancel(why)
	if _, err := inspect.Verify(ctx, bytes.NewReader(image), int64(len(image)), inspect.Options{}); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	plain := stock(isotest.Options{Joliet: true})
	d, err := inspect.Describe(bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if d.Product != "pve" || d.Release != "9.2" || d.ISORelease != "1" || d.Prepared != inspect.Stock || !d.Automatic ||
		d.Label != "PVE" || d.UUID != "2025-08-05-10-48-40-00" || !d.Joliet || d.Manifest != nil || len(d.Boot) != 1 || d.Boot[0].Firmware != "BIOS" {
		t.Errorf("%+v", d)
	}
	image := prepare(t, plain, "")
	d, err = inspect.Describe(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	if d.Prepared != inspect.Ringboot || d.Manifest == nil || d.Manifest.Node != "frege" || d.Bytes != int64(len(image)) {
		t.Errorf("%+v", d)
	}
	img, err := iso9660.Open(bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	if img.Prepared() {
		t.Error("the stock image counts as prepared")
	}
}

// A hybrid image of GRUB and xorriso, prepared by the official method.
func TestDescribeAndVerifyAHybridImage(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	need.File(t, "/usr/lib/grub/i386-pc/moddep.lst", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin")
	dir := t.TempDir()
	tree, image := filepath.Join(dir, "tree"), filepath.Join(dir, "x.iso")
	for _, f := range isotest.Stock() {
		path := filepath.Join(tree, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Path, "/") || f.Link != "" {
			continue
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, argv := range [][]string{
		{"grub-mkrescue", "-o", image, tree, "--", "-volid", "PVE", "-joliet", "on"},
		{"cp", image, image + ".official"},
		{"xorriso", "-boot_image", "any", "keep", "-dev", image + ".official", "-map", "/etc/hostname", "/auto-installer-mode.toml"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	for path, want := range map[string]string{image: inspect.Stock, image + ".official": inspect.Official} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := inspect.Describe(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if d.Prepared != want || !d.MBR || !d.GPT || !d.APM || len(d.Boot) != 2 || d.Boot[0].Firmware != "BIOS" || d.Boot[1].Firmware != "UEFI" {
			t.Errorf("%s: %+v", path, d)
		}
	}
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if res := verify(t, prepare(t, b, ""), inspect.Options{}); !res.Sound() || !res.StockProven {
		t.Errorf("%+v", res)
	}
}
