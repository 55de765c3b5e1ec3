// Package inspect tells what an image is and holds, and proves a prepared
// image against its manifest: with our own reader, with go-diskfs as a second
// one, and by the hash of the stock image that lies under it.
//
// It changes nothing and shows no secret: of secret files it says that they
// are there and sound.
package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/manifest"
)

// FormatVersion is the version of what Describe and Verify give as JSON.
const FormatVersion = 1

// How an image was prepared.
const (
	Stock    = "stock"    // not at all
	Ringboot = "ringboot" // by mkimage
	Official = "official" // by proxmox-auto-install-assistant, or by hand
)

// Files of a stock image.
const (
	markFile  = "/.cd-info"
	diskFile  = "/.disk/info"
	idFile    = "/.pve-cd-id.txt"
	autoFile  = "/auto-installer-capable"
	modeFile  = "/auto-installer-mode.toml"
	markLimit = 64 << 10
)

// Description is what can be said about an image without judging it.
type Description struct {
	Version int `json:"version"`

	Product    string `json:"product"`      // "pve"; empty if the image has no marks of Proxmox
	LongName   string `json:"product_long"` // "Proxmox Virtual Environment"
	Release    string `json:"release"`      // "9.2"
	ISORelease string `json:"iso_release"`  // "1"
	MediumID   string `json:"medium_id"`    // by which the installer knows its medium

	Label     string `json:"label"`
	UUID      string `json:"uuid"` // by which GRUB finds the medium; it is a date
	Bytes     int64  `json:"bytes"`
	Files     int    `json:"files"`
	RockRidge bool   `json:"rock_ridge"`
	Joliet    bool   `json:"joliet"`

	Boot []Boot `json:"boot"`
	MBR  bool   `json:"mbr"`
	GPT  bool   `json:"gpt"`
	APM  bool   `json:"apm"`

	// Automatic reports whether the image can install without questions at all.
	Automatic bool   `json:"automatic"`
	Prepared  string `json:"prepared"`
	// Manifest is there if Prepared is Ringboot.
	Manifest *manifest.Manifest `json:"manifest,omitempty"`
}

// Boot is an entry of the El Torito boot catalog.
type Boot struct {
	Firmware string `json:"firmware"` // "BIOS", "UEFI" or a number
	Bootable bool   `json:"bootable"`
	Block    uint32 `json:"block"` // where the boot image lies, in blocks of 2048 bytes
}

// Describe says what the image in r is.
func Describe(r io.ReaderAt, size int64) (Description, error) {
	img, err := iso9660.Open(r, size)
	if err != nil {
		return Description{}, err
	}
	d := Description{
		Version: FormatVersion, Label: img.Label(), UUID: img.UUID(), Bytes: img.VolumeSize(),
		RockRidge: img.HasRockRidge(), Joliet: img.HasJoliet(), Automatic: img.Exists(autoFile), Prepared: Stock,
	}
	if err := d.readMarks(img); err != nil {
		return d, err
	}
	if err := d.readBoot(img); err != nil {
		return d, err
	}
	err = img.Walk(func(f iso9660.File) error {
		if !f.Mode.IsDir() {
			d.Files++
		}
		return nil
	})
	if err != nil {
		return d, err
	}
	switch {
	case img.Prepared():
		d.Prepared = Ringboot
		m, err := readManifest(img)
		if err != nil {
			return d, err
		}
		d.Manifest = &m
	case img.Exists(modeFile):
		d.Prepared = Official
	}
	return d, nil
}

// readMarks reads the KEY='value' lines by which Proxmox media are known.
func (d *Description) readMarks(img *iso9660.Image) error {
	text, err := img.ReadFile(markFile, markLimit)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = img.ReadFile(diskFile, markLimit)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `'"`)
		switch key {
		case "PRODUCT":
			d.Product = value
		case "PRODUCTLONG":
			d.LongName = value
		case "RELEASE":
			d.Release = value
		case "ISORELEASE":
			d.ISORelease = value
		}
	}
	id, err := img.ReadFile(idFile, markLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.MediumID = strings.TrimSpace(string(id))
	return nil
}

// Signatures in the system area.
const (
	mbrSignatureAt = 510 // UEFI 2.10, 5.2.1
	gptHeaderAt    = 512 // UEFI 2.10, 5.3.2
	apmFirstAt     = 2048
	platformBIOS   = 0x00 // El Torito 1.0
	platformUEFI   = 0xef // UEFI 2.10, 13.3.2.1
)

func (d *Description) readBoot(img *iso9660.Image) error {
	area, err := img.ReadSystemArea()
	if err != nil {
		return err
	}
	d.MBR = area[mbrSignatureAt] == 0x55 && area[mbrSignatureAt+1] == 0xaa
	d.GPT = bytes.HasPrefix(area[gptHeaderAt:], []byte("EFI PART"))
	d.APM = bytes.HasPrefix(area, []byte("ER")) && bytes.HasPrefix(area[apmFirstAt:], []byte("PM"))
	entries, _ := img.Boot()
	for _, e := range entries {
		b := Boot{Firmware: fmt.Sprintf("platform 0x%02x", e.Platform), Bootable: e.Bootable, Block: e.LBA}
		switch e.Platform {
		case platformBIOS:
			b.Firmware = "BIOS"
		case platformUEFI:
			b.Firmware = "UEFI"
		}
		d.Boot = append(d.Boot, b)
	}
	return nil
}

func readManifest(img *iso9660.Image) (manifest.Manifest, error) {
	text, err := img.ReadFile(manifest.Path, manifest.Limit)
	if err != nil {
		return manifest.Manifest{}, fmt.Errorf("the image is prepared, but its manifest cannot be read: %w", err)
	}
	return manifest.Decode(text)
}
