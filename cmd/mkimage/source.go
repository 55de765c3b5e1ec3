package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/fetch"
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
		return "", &exit{exitPrecondition, fmt.Errorf("no place for downloads: %w", err)}
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
func findISO(ctx context.Context, t *terminal, named, version string) (string, error) {
	switch named {
	case "":
	case practiceISO:
		return practice(ctx, t)
	default:
		return named, nil
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	if path := fetch.Find(version, places(cache)...); path != "" {
		t.say("stock ISO: %s", path)
		return path, nil
	}
	sum, _ := fetch.Pinned(version)
	d := fetch.Download{From: os.Getenv(mirrorVariable), Version: version, Dir: filepath.Join(cache, "iso"), Pinned: sum}
	t.say("%s is not here (looked in the current directory, the downloads and %s): downloading", fetch.FileName(version), d.Dir)
	p := t.progress("downloading")
	defer p.end()
	d.Progress = p.at
	return d.Run(ctx)
}

// source is an open stock ISO.
type source struct {
	*imagebuilder.Base
	file *os.File
	path string
}

// openSource opens the ISO for reading, takes its checksum and holds a known
// version against the pinned one.
func openSource(ctx context.Context, t *terminal, path string) (*source, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &exit{exitPrecondition, fmt.Errorf("no ISO at %s: give its path with --iso, or leave --iso out", path)}
	}
	if err != nil {
		return nil, &exit{exitPrecondition, err}
	}
	s := &source{file: f, path: path}
	if err := s.open(ctx, t); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *source) open(ctx context.Context, t *terminal) error {
	is, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !is.Mode().IsRegular() {
		return &exit{exitPrecondition, fmt.Errorf("%s is no file: give a stock ISO", s.path)}
	}
	// What the ISO is comes before its checksum, which takes seconds.
	if _, err := imagebuilder.OpenBase(s.file, is.Size(), filepath.Base(s.path), ""); err != nil {
		return err
	}
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	p := t.progress("checksum of the stock ISO")
	defer p.end()
	sum, err := fetch.Sum(ctx, filepath.Join(cache, "sums"), s.path, p.at)
	if err != nil {
		return err
	}
	s.Base, err = imagebuilder.OpenBase(s.file, is.Size(), filepath.Base(s.path), sum)
	if err != nil {
		return err
	}
	if want, known := fetch.Pinned(s.Release); known && want != sum && filepath.Base(s.path) == fetch.FileName(s.Release) {
		t.say("risk: %s is not the ISO that Proxmox published as %s: its sha256 is %s, published is %s", s.path, s.Release, sum, want)
	}
	if s.Practice {
		t.say("this is a PRACTICE ISO: what it installs is no Proxmox VE")
	}
	return nil
}

func (s *source) Close() error { return s.file.Close() }
