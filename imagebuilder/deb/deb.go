// Package deb writes Debian binary packages that are the same bytes whenever
// they are made from the same files.
//
// It knows the two packages that an image carries: the agent, equal on every
// node, and the seed of one node. It writes no maintainer scripts and no
// dependencies, because any failure of dpkg aborts an installation.
package deb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5" // dpkg's md5sums file is made of it; nothing relies on it
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Package is what one package holds.
type Package struct {
	Name         string
	Version      string
	Architecture string // amd64 | all
	Section      string
	Summary      string // one line
	Description  string // further lines; may be empty
	Time         time.Time
	Entries      []Entry
}

// Entry is one file, directory or link of a package. Parents that no entry
// names are directories of mode 0755.
type Entry struct {
	Path    string // absolute on the node
	Mode    fs.FileMode
	Content []byte
	Target  string // symbolic link to it
	Dir     bool
}

// Limits and layout of deb(5) and ar.
const (
	arMagic      = "!<arch>\n"
	arHeader     = "%-16s%-12d%-6d%-6d%-8s%-10d`\n" // name, time, owner, group, mode, size
	formatNumber = "2.0\n"
	maintainer   = "Ringboot <ringboot@localhost>"
)

// FileName is the package's file name, of characters that a shell leaves alone.
func (p Package) FileName() string {
	return fmt.Sprintf("%s_%s_%s.deb", p.Name, p.Version, p.Architecture)
}

func (p Package) check() error {
	for name, value := range map[string]string{"name": p.Name, "version": p.Version} {
		if value == "" || strings.Trim(value, "abcdefghijklmnopqrstuvwxyz0123456789.+~-") != "" {
			return fmt.Errorf("package %s %q: only lower-case letters, digits and . + ~ - pass through the installer's shell", name, value)
		}
	}
	if p.Version[0] < '0' || p.Version[0] > '9' {
		return fmt.Errorf("package version %q: dpkg wants a digit first", p.Version)
	}
	if p.Architecture != "amd64" && p.Architecture != "all" {
		return fmt.Errorf("package architecture %q is neither amd64 nor all", p.Architecture)
	}
	if p.Summary == "" || strings.Contains(p.Summary, "\n") {
		return fmt.Errorf("package %s: the summary must be one line", p.Name)
	}
	seen := map[string]bool{}
	for _, e := range p.Entries {
		if !path.IsAbs(e.Path) || path.Clean(e.Path) != e.Path || e.Path == "/" {
			return fmt.Errorf("package %s: %q is no clean absolute path", p.Name, e.Path)
		}
		if seen[e.Path] {
			return fmt.Errorf("package %s: %s is there twice", p.Name, e.Path)
		}
		seen[e.Path] = true
	}
	return nil
}

// Build returns the package's bytes.
func (p Package) Build() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	entries := p.tree()
	files, err := p.archive(entries)
	if err != nil {
		return nil, err
	}
	control, err := p.archive([]Entry{
		{Path: "/", Dir: true, Mode: 0o755},
		{Path: "/control", Mode: 0o644, Content: p.control(entries)},
		{Path: "/md5sums", Mode: 0o644, Content: sums(entries)},
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(arMagic)
	for _, member := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte(formatNumber)}, {"control.tar.gz", control}, {"data.tar.gz", files}} {
		fmt.Fprintf(&out, arHeader, member.name, p.Time.Unix(), 0, 0, "100644", len(member.data))
		out.Write(member.data)
		if len(member.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes(), nil
}

// tree adds the missing parents and sorts, so that a directory comes before
// what is in it.
func (p Package) tree() []Entry {
	all := map[string]Entry{"/": {Path: "/", Dir: true, Mode: 0o755}}
	for _, e := range p.Entries {
		all[e.Path] = e
	}
	for _, e := range p.Entries {
		for dir := path.Dir(e.Path); dir != "/"; dir = path.Dir(dir) {
			if _, there := all[dir]; !there {
				all[dir] = Entry{Path: dir, Dir: true, Mode: 0o755}
			}
		}
	}
	var out []Entry
	for _, e := range all {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func (p Package) control(entries []Entry) []byte {
	size := 0
	for _, e := range entries {
		size += len(e.Content)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %d\nSection: %s\nPriority: optional\nDescription: %s\n",
		p.Name, p.Version, p.Architecture, maintainer, (size+1023)/1024, p.Section, p.Summary)
	for line := range strings.Lines(p.Description) {
		if line = strings.TrimRight(line, "\n"); line == "" {
			line = "." // Debian policy 5.6.13: how an empty line is written
		}
		fmt.Fprintf(&b, " %s\n", line)
	}
	return b.Bytes()
}

func sums(entries []Entry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		if !e.Dir && e.Target == "" {
			fmt.Fprintf(&b, "%x  %s\n", md5.Sum(e.Content), strings.TrimPrefix(e.Path, "/"))
		}
	}
	return b.Bytes()
}

// archive writes a tar archive without anything of this machine in it.
func (p Package) archive(entries []Entry) ([]byte, error) {
	var out bytes.Buffer
	gz, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(gz)
	for _, e := range entries {
		header := &tar.Header{
			Name: "." + e.Path, Mode: int64(e.Mode.Perm()), ModTime: p.Time,
			Uname: "root", Gname: "root", Format: tar.FormatGNU,
		}
		switch {
		case e.Dir:
			header.Typeflag = tar.TypeDir
			header.Name = strings.TrimSuffix(header.Name, "/") + "/"
		case e.Target != "":
			header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.Target, 0o777
		default:
			header.Typeflag, header.Size = tar.TypeReg, int64(len(e.Content))
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("package %s: %s: %w", p.Name, e.Path, err)
		}
		if _, err := io.Copy(w, bytes.NewReader(e.Content)); err != nil {
			return nil, fmt.Errorf("package %s: %s: %w", p.Name, e.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
