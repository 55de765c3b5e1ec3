// Package imagebuilder turns a profile and a stock ISO into the image of one
// node. It holds the order of work and nothing else: what is decided lies in
// the profile, and each kind of work in a package below.
//
// It asks nobody, prints nothing and writes no image: it hands back a value.
package imagebuilder

import (
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/initrd"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/locale"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/spelling"
)

// Paths on the stock medium.
const (
	capablePath  = "/auto-installer-capable"
	cdInfoPath   = "/.cd-info"
	diskInfoPath = "/.disk/info"
	menuPath     = "/boot/grub/grub.cfg"
	initrdPath   = "/boot/initrd.img"
	packagesDir  = "/proxmox/packages"
	hookPath     = "/proxmox-first-boot"
)

// Limits for files of the stock medium that are read whole.
const (
	maxInfo = 64 << 10
	maxMenu = 1 << 20
	// maxInitrd is many times what any installer has.
	maxInitrd = 1 << 30
)

// ErrUnsuitable says that an ISO is not one that images can be made from.
var ErrUnsuitable = fault.Precondition.New("not a Proxmox VE ISO that images can be made from")

// Base is a stock ISO that was found suitable.
type Base struct {
	Image   *iso9660.Image
	Name    string // of the file, without its directory
	Size    int64
	SHA256  string         // lower-case hexadecimal
	Release string         // "9.2-1"
	Version answer.Version // whose answers its installer reads
	// Installer and Manager are the versions of proxmox-installer and
	// pve-manager in the medium's pool; "" where it does not say.
	Installer, Manager string
	// Locales are the installer's own lists, or those of this program where the
	// medium's could not be read; ListsUnread then says why.
	Locales     spelling.Lists
	ListsUnread error
	Practice    bool // made by Ringboot for practice: it installs no Proxmox VE
	Date        time.Time
	Menu        string // its grub.cfg
}

// OpenBase reads what is needed of a stock ISO and says what is wrong with one
// that cannot be used. sum is the ISO's SHA-256.
func OpenBase(r io.ReaderAt, size int64, name, sum string) (*Base, error) {
	img, err := iso9660.Open(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if img.Prepared() {
		return nil, fmt.Errorf("%s: %w", name, iso9660.ErrPrepared)
	}
	b := &Base{Image: img, Name: name, Size: size, SHA256: sum}
	if err := b.identify(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

func (b *Base) identify() error {
	known, err := b.cdInfo()
	if err != nil {
		return err
	}
	long := known["PRODUCTLONG"]
	if !strings.HasPrefix(long, "Proxmox") {
		return fmt.Errorf("%w: it says that it is %q", ErrUnsuitable, long)
	}
	if known["PRODUCT"] != "" && known["PRODUCT"] != "pve" {
		return fmt.Errorf("%w: it is %s", ErrUnsuitable, long)
	}
	b.Release = known["RELEASE"] + "-" + known["ISORELEASE"]
	if _, _, err := profiles.ReleaseOf(b.Release); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	if !b.Image.Exists(capablePath) {
		return fmt.Errorf("%w: it has no %s, so it cannot install unattended: take a stock ISO of Proxmox VE", ErrUnsuitable, capablePath)
	}
	if err := b.pool(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	b.lists()
	for _, path := range []string{ModePath, AnswerPath, hookPath} {
		if b.Image.Exists(path) {
			return fmt.Errorf("%w: it has %s, so it was prepared by another program: start from the stock ISO", ErrUnsuitable, path)
		}
	}
	b.Practice = strings.Contains(strings.ToLower(long), "practice")
	b.Date, err = volumeDate(b.Image.UUID())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	menu, err := b.Image.ReadFile(menuPath, maxMenu)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	b.Menu = string(menu)
	return nil
}

// pool reads the versions of the medium's own packages. What the installer's
// package says counts for the answer: a later ISO of a release has a later one.
func (b *Base) pool() error {
	err := b.Image.Walk(func(f iso9660.File) error {
		dir, name := path.Split(f.Path)
		if dir != packagesDir+"/" || !strings.HasSuffix(name, ".deb") {
			return nil
		}
		switch parts := strings.Split(name, "_"); {
		case len(parts) < 3:
		case parts[0] == "proxmox-first-boot": // built from the installer's source
			b.Installer = parts[1]
		case parts[0] == "pve-manager":
			b.Manager = parts[1]
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.Version, err = answer.ParseVersion(b.Release)
	if err != nil {
		return err
	}
	if m := strings.SplitN(b.Installer, ".", 3); len(m) == 3 {
		if v, err := answer.ParseVersion(m[0] + "." + m[1]); err == nil {
			b.Version = v
		}
	}
	return nil
}

// lists reads the installer's own lists of countries, zones and keyboards.
func (b *Base) lists() {
	f, err := b.Image.Lookup(locale.Medium)
	if err == nil {
		b.Locales, err = locale.Read(b.Image.Content(f))
	}
	if err != nil {
		b.Locales, b.ListsUnread = spelling.Shipped(), err
	}
}

// ReadInitrd reads the medium's initrd, which takes a moment: the whole of it
// is unpacked. The error says why nothing can ride behind it.
func (b *Base) ReadInitrd() (initrd.Initrd, error) {
	packed, err := b.Image.ReadFile(initrdPath, maxInitrd)
	if err != nil {
		return initrd.Initrd{}, fmt.Errorf("%w: %s: %w", initrd.ErrUnknown, b.Name, err)
	}
	found, err := initrd.Read(packed)
	if err != nil {
		return found, fmt.Errorf("%s: %s: %w", b.Name, initrdPath, err)
	}
	return found, nil
}

// cdInfo reads the medium's KEY='value' lines.
func (b *Base) cdInfo() (map[string]string, error) {
	text, err := b.Image.ReadFile(cdInfoPath, maxInfo)
	if err != nil {
		text, err = b.Image.ReadFile(diskInfoPath, maxInfo)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it has neither %s nor %s", ErrUnsuitable, cdInfoPath, diskInfoPath)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			out[key] = strings.Trim(value, `'"`)
		}
	}
	return out, nil
}

// volumeDate is the date that all new files get, so that the same inputs give
// the same bytes. It is the one by which GRUB finds the medium.
func volumeDate(uuid string) (time.Time, error) {
	const seconds = len("2006-01-02-15-04-05")
	if len(uuid) < seconds {
		return time.Time{}, fmt.Errorf("its volume descriptor has no date, by which GRUB would find it")
	}
	t, err := time.Parse("2006-01-02-15-04-05", uuid[:seconds])
	if err != nil {
		return time.Time{}, fmt.Errorf("its volume descriptor has no date that is one: %w", err)
	}
	return t, nil
}
