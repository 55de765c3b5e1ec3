package locale

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

const list = `{"cczones": {"de": {"Europe/Berlin": 1, "Europe/Busingen": 1}, "mo": {"Moon/Base": 1}},
 "country": {"de": {"name": "Germany", "kmap": "de", "zone": "Europe/Berlin"}, "mo": {"name": "Moon", "kmap": ""}},
 "countryhash": {"germany": "de"}, "zones": {"Europe/Berlin": 1},
 "kmap": {"de": {"name": "German", "kvm": "de", "x11": "de", "x11var": ""}, "dk": {"name": "Danish", "kvm": "da", "x11": "dk", "x11var": ""}}}`

// squash makes the installer's file system with the list and other files around it.
func squash(t *testing.T, compression, text string) *io.SectionReader {
	t.Helper()
	need.Tools(t, "mksquashfs:squashfs-tools")
	root := filepath.Join(t.TempDir(), "root")
	for path, content := range map[string]string{
		List: text, "/usr/bin/proxinstall": strings.Repeat("x", 300_000), "/etc/passwd": "root:x:0:0::/root:/bin/sh\n",
		"/var/lib/proxmox-installer/cd-info": "PRODUCT='pve'\n", "/usr/share/empty": "",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("proxinstall", filepath.Join(root, "usr/bin/install")); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(t.TempDir(), "installer.squashfs")
	if out, err := exec.CommandContext(t.Context(), "mksquashfs", root, image, "-quiet", "-no-progress", "-comp", compression).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw)))
}

func TestReadTheListsOfAnISO(t *testing.T) {
	for _, compression := range []string{"zstd", "xz", "gzip"} {
		l, err := Read(squash(t, compression, list))
		if err != nil {
			t.Fatalf("%s: %v", compression, err)
		}
		if l.Zone("Moon/Base") != "" || l.Country("mo") != "" || l.Keyboard("dk") != "" || l.Keyboards["dk"] != "da" || l.CountryOfZone("Europe/Busingen") != "de" {
			t.Errorf("%s: %+v", compression, l)
		}
		if got, want := l.Zone("Europe/Paris"), `"Europe/Paris" is not among the ISO's lists of zones; write one such as Europe/Berlin, or UTC`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := l.Country("fr"), `"fr" is no country of the ISO's lists; write its two letters of ISO 3166 in lower case, such as de`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatIsNoList(t *testing.T) {
	if _, err := Read(squash(t, "zstd", "{}")); err == nil || err.Error() != "the installer's lists lack countries, zones or keyboards" {
		t.Errorf("an empty list: %v", err)
	}
	if _, err := Read(squash(t, "zstd", "[1]")); err == nil {
		t.Error("another form is taken")
	}
	whole := squash(t, "gzip", list)
	raw := make([]byte, whole.Size())
	if _, err := whole.ReadAt(raw, 0); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"nothing":       func([]byte) []byte { return nil },
		"filler":        func(b []byte) []byte { return bytes.Repeat([]byte("filler!\n"), 4096) },
		"cut off":       func(b []byte) []byte { return b[:200] },
		"another table": func(b []byte) []byte { copy(b[64:96], bytes.Repeat([]byte{0xff}, 32)); return b },
	} {
		bad := damage(bytes.Clone(raw))
		if l, err := Read(io.NewSectionReader(bytes.NewReader(bad), 0, int64(len(bad)))); err == nil {
			t.Errorf("%s: read as %+v", name, l)
		}
	}
}
