// Package imagebuilder turns a profile and a stock ISO into the image of one
// node. It holds the order of work and nothing else: what is decided lies in
// the profile, and each kind of work in a package below.
//
// It asks nobody, prints nothing and writes no image: it hands back a value.
package imagebuilder

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/iso9660"
)

// Paths on the stock medium.
const (
	capablePath  = "/auto-installer-capable"
	cdInfoPath   = "/.cd-info"
	diskInfoPath = "/.disk/info"
	menuPath     = "/boot/grub/grub.cfg"
	packagesDir  = "/proxmox/packages"
	hookPath     = "/proxmox-first-boot"
)

// Limits for files of the stock medium that are read whole.
const (
	maxInfo = 64 << 10
	maxMenu = 1 << 20
)

// ErrUnsuitable says that an ISO is not one that images can be made from.
var ErrUnsuitable = errors.New("not a Proxmox VE ISO that images can be made from")

// Base is a stock ISO that was found suitable.
type Base struct {
	Image    *iso9660.Image
	Name     string // of the file, without its directory
	Size     int64
	SHA256   string // lower-case hexadecimal
	Release  string // "9.2-1"
	Version  answer.Version
	Practice bool // made by Ringboot for practice: it installs no Proxmox VE
	Date     time.Time
	Menu     string // its grub.cfg
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
	b.Version, err = answer.ParseVersion(b.Release)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsuitable, err)
	}
	if !b.Image.Exists(capablePath) {
		return fmt.Errorf("%w: it has no %s, so it cannot install unattended: Proxmox VE 8.4 or later is needed", ErrUnsuitable, capablePath)
	}
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
