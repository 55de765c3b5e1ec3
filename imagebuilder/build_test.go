package imagebuilder_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/keyring"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles"
	"ringboot/profiles/medium"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
)

// skeleton makes a stock ISO of the Proxmox anatomy.
func skeleton(t testing.TB, o base.SkeletonOptions) string {
	t.Helper()
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	need.File(t, "/usr/lib/grub/i386-pc/cdboot.img", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/part_gpt.mod", "grub-efi-amd64-bin")
	iso, err := base.Skeleton(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return iso
}

func openBase(t testing.TB, path string) *imagebuilder.Base {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	is, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := imagebuilder.OpenBase(f, is.Size(), filepath.Base(path), hashOf(t, f))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hashOf(t testing.TB, r io.ReaderAt) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, 1<<40)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// complete is the default profile with what the builder adds.
func complete(t testing.TB, dir string) (*profiles.Profile, *keyring.Keyring) {
	t.Helper()
	p := profiles.Default()
	k, from, err := imagebuilder.Complete(t.Context(), p, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if from != imagebuilder.KeysMade || len(p.Users[0].Keys) != 1 {
		t.Fatalf("keys from %s: %v", from, p.Users[0].Keys)
	}
	return p, k
}

func request(t testing.TB, b *imagebuilder.Base, node, keys string) imagebuilder.Request {
	t.Helper()
	p, k := complete(t, keys)
	agent, err := imagebuilder.PackAgent(io.NewSectionReader(strings.NewReader("the agent"), 0, 9), "1.0", b)
	if err != nil {
		t.Fatal(err)
	}
	return imagebuilder.Request{Profile: p, Node: node, Base: b, Keyring: k, Agent: agent, Preflight: preflight(t, b, strings.NewReader("looks first")), Builder: "1.0"}
}

// preflight packs a program for the initrd of a base.
func preflight(t testing.TB, b *imagebuilder.Base, program interface {
	io.ReaderAt
	Size() int64
}) *imagebuilder.Preflight {
	t.Helper()
	of, err := b.ReadInitrd()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := imagebuilder.PackPreflight(io.NewSectionReader(program, 0, program.Size()), of)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func build(t testing.TB, r imagebuilder.Request) *imagebuilder.Image {
	t.Helper()
	image, err := imagebuilder.Build(r)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func read(t testing.TB, image *imagebuilder.Image) map[string]string {
	t.Helper()
	img, err := iso9660.Open(image, image.Size())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	err = img.Walk(func(f iso9660.File) error {
		if !f.Mode.IsRegular() || f.Size > 1<<20 {
			return nil
		}
		content, err := img.ReadFile(f.Path, 1<<20)
		out[f.Path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameInputsSameBytes(t *testing.T) {
	path := skeleton(t, base.SkeletonOptions{Joliet: true})
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	contents := func() []byte {
		image := build(t, request(t, openBase(t, path), "frege", keys))
		all := make([]byte, image.Size())
		if _, err := image.ReadAt(all, 0); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return all
	}
	one, two := contents(), contents()
	differ := 0
	for i := range one {
		if one[i] != two[i] {
			differ++
		}
	}
	need.Figure("image.bytes_differ_on_rebuild", differ+abs(len(one)-len(two)), "count")
	if !bytes.Equal(one, two) {
		t.Errorf("%d bytes differ between two builds", differ)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the source ISO changed: %v", err)
	}
}

func abs(n int) int { return max(n, -n) }

func TestNodesDifferInTheirOwnFilesOnly(t *testing.T) {
	b := openBase(t, skeleton(t, base.SkeletonOptions{}))
	keys := t.TempDir()
	frege, russell := read(t, build(t, request(t, b, "frege", keys))), read(t, build(t, request(t, b, "russell", keys)))
	differ := map[string]bool{}
	for path, content := range frege {
		if russell[path] != content {
			differ[strings.ReplaceAll(path, "frege", "NODE")] = true
		}
	}
	for path := range russell {
		if _, there := frege[path]; !there {
			differ[strings.ReplaceAll(path, "russell", "NODE")] = true
		}
	}
	plan, err := request(t, b, "frege", keys).Profile.PlanHashes("frege")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		"/answer.toml": true, "/ringboot.cfg": true, "/ringboot.env": true, "/ringboot.img": true, manifest.Path: true,
		"/proxmox/packages/ringboot-seed_1+" + plan.Cluster[:12] + ".NODE_all.deb": true,
	}
	if diff := cmp.Diff(want, differ); diff != "" {
		t.Errorf("files that differ between two nodes (-want +got):\n%s", diff)
	}
}

func TestWhatIsOnTheImage(t *testing.T) {
	b := openBase(t, skeleton(t, base.SkeletonOptions{}))
	r := request(t, b, "frege", t.TempDir())
	image := build(t, r)
	files := read(t, image)
	if got := files["/auto-installer-mode.toml"]; got != "mode = \"iso\"\n" {
		t.Errorf("mode file: %q", got)
	}
	if files[manifest.Path] != string(image.ManifestText) {
		t.Error("the manifest in the image is not the one beside it")
	}
	ticket, err := medium.ParseTicket([]byte(files["/ringboot.env"]))
	if err != nil || ticket.State != medium.TicketArmed || ticket.Node != "frege" || ticket.ClusterID != profiles.ClusterID(r.Keyring.CADER) {
		t.Errorf("ticket: %+v, %v", ticket, err)
	}
	for path, wants := range map[string][]string{
		"/boot/grub/grub.cfg": {"source /ringboot.cfg\n"},
		"/ringboot.cfg":       {`"Install frege: ERASES the only blank disk of the smallest size"`, "Install Proxmox VE (Graphical)"},
		"/answer.toml":        {r.Keyring.Nodes["frege"].RootHash, "frege.home.arpa", "10.203.3.11/24", "ssh-ed25519 "},
	} {
		for _, want := range wants {
			if !strings.Contains(files[path], want) {
				t.Errorf("%s lacks %q:\n%s", path, want, files[path])
			}
		}
	}
	if len(files["/boot/grub/grub.cfg"]) != len(b.Menu) {
		t.Errorf("the hook has %d bytes, the stock menu %d: the HFS+ view would differ", len(files["/boot/grub/grub.cfg"]), len(b.Menu))
	}
	clear := r.Keyring.Nodes["frege"].RootPassword
	for path, content := range files {
		if strings.Contains(content, clear) {
			t.Errorf("%s holds root's password in clear", path)
		}
	}
}

func TestBuildRefusesTheWrongVersion(t *testing.T) {
	b := openBase(t, skeleton(t, base.SkeletonOptions{Release: "9.1-1"}))
	_, err := imagebuilder.Build(request(t, b, "frege", t.TempDir()))
	want := "wrong release: skeleton.iso is Proxmox VE 9.1-1, the profile wants 9.2-1: give the right ISO, or change proxmox.version"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A release that got no updates any more is refused with what to do.
func TestOpenBaseRefusesARelease(t *testing.T) {
	path := skeleton(t, base.SkeletonOptions{Release: "8.4-1"})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_, err = imagebuilder.OpenBase(f, is.Size(), "old.iso", "")
	want := `old.iso: not a Proxmox VE ISO that images can be made from: "8.4-1" is not supported: Proxmox VE 8 got its last updates in August 2026, and is built on another Debian; take the ISO of 9.2`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The lists of the profile pass a value that the table of keys does not know
// to be wrong; the answer that is made of it is looked at once more.
func TestBuildLintsTheAnswerThatItMade(t *testing.T) {
	b := openBase(t, skeleton(t, base.SkeletonOptions{}))
	r := request(t, b, "frege", t.TempDir())
	r.Profile.Cluster.Country = "uk"
	_, err := imagebuilder.Build(r)
	want := `the installer would stop at the answer of frege: global.country "uk" is no country of the installer's lists; write gb; mend the profile`
	if !errors.Is(err, imagebuilder.ErrAnswer) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The lists of the ISO count before those of this program.
func TestBuildGoesByTheListsOfTheISO(t *testing.T) {
	need.Tools(t, "mksquashfs:squashfs-tools")
	const lists = `{"cczones": {"us": {"America/Chicago": 1}}, "country": {"us": {"name": "US"}}, "kmap": {"en-us": {"kvm": "en-us"}}}`
	b := openBase(t, skeleton(t, base.SkeletonOptions{Lists: lists}))
	if b.ListsUnread != nil {
		t.Fatal(b.ListsUnread)
	}
	r := request(t, b, "frege", t.TempDir())
	r.Profile.Cluster.Timezone = "America/Chicago"
	build(t, r)
	r.Profile.Cluster.Timezone = "Europe/Berlin"
	_, err := imagebuilder.Build(r)
	want := `the installer would stop at the answer of frege: global.timezone "Europe/Berlin" is not among the ISO's lists of zones; write one such as Europe/Berlin, or UTC; mend the profile`
	if !errors.Is(err, imagebuilder.ErrAnswer) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOpenBaseRefuses(t *testing.T) {
	path := skeleton(t, base.SkeletonOptions{})
	b := openBase(t, path)
	image := build(t, request(t, b, "frege", t.TempDir()))
	if _, err := imagebuilder.OpenBase(image, image.Size(), "x.iso", ""); !errors.Is(err, iso9660.ErrPrepared) {
		t.Errorf("a prepared image: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.ReplaceAll(text, []byte("PRODUCTLONG='Proxmox VE"), []byte("PRODUCTLONG='Something X"))
	if _, err := imagebuilder.OpenBase(bytes.NewReader(other), int64(len(other)), "x.iso", ""); err == nil || err.Error() != `x.iso: not a Proxmox VE ISO that images can be made from: it says that it is "Something X (skeleton)"` {
		t.Errorf("another product: %v", err)
	}
	if _, err := imagebuilder.OpenBase(bytes.NewReader(text[:100<<10]), 100<<10, "x.iso", ""); !errors.Is(err, iso9660.ErrTruncated) {
		t.Errorf("a truncated image: %v", err)
	}
	if _, err := imagebuilder.OpenBase(bytes.NewReader(nil), 0, "x.iso", ""); !errors.Is(err, iso9660.ErrNotISO) {
		t.Errorf("an empty file: %v", err)
	}
}
