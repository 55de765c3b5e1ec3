package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/fetch"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles/fault"
)

// practiceISO is the word that takes the place of a file: the practice ISO of
// this version of Ringboot, which is made where it is not there yet.
const practiceISO = "practice"

// mirrorVariable names a mirror of the vendor's directory of ISOs. The pinned
// checksums hold for it, too.
const mirrorVariable = "RINGBOOT_ISO_MIRROR"

// cacheDir is where downloads and what is known of files are kept.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fault.Precondition.Errorf("no place for downloads: %w", err)
	}
	return filepath.Join(dir, "ringboot"), nil
}

// places are where an ISO may lie already.
func places(cache string) []string {
	out := []string{"."}
	if dir := os.Getenv("XDG_DOWNLOAD_DIR"); dir != "" {
		out = append(out, dir)
	}
	if home, err := os.UserHomeDir(); err == nil {
		out = append(out, filepath.Join(home, "Downloads"))
	}
	return append(out, filepath.Join(cache, "iso"))
}

// findISO returns the path of the stock ISO for a version: the named one, one
// that is there, or a fresh download.
func findISO(ctx context.Context, t *cli.Terminal, named, version string) (string, error) {
	switch named {
	case "":
	case practiceISO:
		return practice(ctx, t)
	default:
		return named, nil
	}
	path, err := haveISO(named, version)
	if err != nil {
		return "", err
	}
	if path != "" {
		t.Say("stock ISO: %s", path)
		return path, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	sum, _ := fetch.Pinned(version)
	d := fetch.Download{From: os.Getenv(mirrorVariable), Version: version, Dir: filepath.Join(cache, "iso"), Pinned: sum}
	t.Say("%s is not here (looked in the current directory, the downloads and %s): downloading", fetch.FileName(version), d.Dir)
	p := t.Progress("downloading", stick.Bytes)
	defer p.End()
	d.Progress = p.At
	return d.Run(ctx)
}

// haveISO is the path of the stock ISO if it is here already, else "".
func haveISO(named, version string) (string, error) {
	if named != "" {
		return named, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	return fetch.Find(version, places(cache)...), nil
}

// openSource opens the ISO for reading, takes its checksum and holds a known
// version against the pinned one. A file of the official name with another
// checksum is taken by force only.
func openSource(ctx context.Context, t *cli.Terminal, path string, force bool) (*imagebuilder.Opened, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	p := t.Progress("checksum of the stock ISO", stick.Bytes)
	defer p.End()
	s, err := imagebuilder.OpenFile(ctx, path, filepath.Join(cache, "sums"), p.At)
	if errors.Is(err, imagebuilder.ErrNoFile) {
		return nil, fmt.Errorf("%w: give its path with --iso, or leave --iso out", err)
	}
	if err != nil {
		return nil, err
	}
	doubt := s.Doubt()
	if doubt != "" && !force {
		return nil, errors.Join(fault.Unverified.Errorf("%s: download it again, or take it all the same with --force", doubt), s.Close())
	}
	if doubt != "" {
		t.Warn("risk: %s", doubt)
	}
	if s.ListsUnread != nil && !s.Practice {
		t.Warn("risk: the ISO's own lists of countries, zones and keyboards cannot be read (%v); those of this program count: compare the zone with the installer's", s.ListsUnread)
	}
	if s.Practice {
		t.Say("this is a PRACTICE ISO: what it installs is no Proxmox VE")
	}
	return s, nil
}
