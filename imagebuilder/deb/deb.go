// Package deb writes Debian binary packages that are the same bytes whenever
// they are made from the same files.
//
// It knows the two packages that an image carries: the agent, equal on every
// node, and the seed of one node. They have no maintainer scripts and no
// dependencies, because any failure of dpkg aborts an installation. The package
// that updates an agent has scripts, and they do not fail.
package deb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5" // dpkg's md5sums file is made of it; nothing relies on it
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	Depends      string // as the control file has it; may be empty
	Conflicts    string
	Summary      string // one line
	Description  string // further lines; may be empty
	Time         time.Time
	Entries      []Entry
	// Scripts are maintainer scripts by their names in the package: postinst.
	Scripts map[string][]byte
	// Stored packs the files without compressing them, for a package that is
	// made anew each time and of which time counts more than size.
	Stored bool
}

// Entry is one file, directory or link of a package. Parents that no entry
// names are directories of mode 0755.
type Entry struct {
	Path    string // absolute on the node
	Mode    fs.FileMode
	Content []byte
	From    *io.SectionReader // the content of a file that is too large to be held in memory twice
	Target  string            // symbolic link to it
	Dir     bool
}

// content reads the file from its beginning.
func (e Entry) content() *io.SectionReader {
	if e.From != nil {
		return io.NewSectionReader(e.From, 0, e.From.Size())
	}
	return io.NewSectionReader(bytes.NewReader(e.Content), 0, int64(len(e.Content)))
}

// Limits and layout of deb(5) and ar.
const (
	Magic        = "!<arch>\n"                      // what every package begins with
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
	sums, err := p.sums(entries)
	if err != nil {
		return nil, err
	}
	control := []Entry{
		{Path: "/", Dir: true, Mode: 0o755},
		{Path: "/control", Mode: 0o644, Content: p.control(entries)},
		{Path: "/md5sums", Mode: 0o644, Content: sums},
	}
	for _, name := range slices.Sorted(maps.Keys(p.Scripts)) {
		control = append(control, Entry{Path: "/" + name, Mode: 0o755, Content: p.Scripts[name]})
	}
	var out bytes.Buffer
	if p.Stored {
		out.Grow(size(entries) + size(entries)/64 + storedSlack) // room at once instead of by doubling
	}
	out.WriteString(Magic)
	for _, member := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"debian-binary", func(w io.Writer) error { _, err := io.WriteString(w, formatNumber); return err }},
		{"control.tar.gz", func(w io.Writer) error { return p.archive(w, control, gzip.BestCompression) }},
		{"data.tar.gz", func(w io.Writer) error { return p.archive(w, entries, p.level()) }},
	} {
		if err := p.member(&out, member.name, member.write); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// Fill makes a package n bytes long, by a member behind the last one that dpkg
// reads (deb(5): further members may follow, and are ignored). Several packages
// can then take turns in one place.
func Fill(pkg []byte, n int64) ([]byte, error) {
	left := n - int64(len(pkg)) - int64(len(fmt.Sprintf(arHeader, "", 0, 0, 0, "", 0)))
	if left < 0 {
		return nil, fmt.Errorf("a package of %d bytes does not fit a place of %d", len(pkg), n)
	}
	out := slices.Grow(slices.Clone(pkg), int(n)-len(pkg))
	out = fmt.Appendf(out, arHeader, "ringboot-fill", 0, 0, 0, "100644", left)
	return append(out, bytes.Repeat([]byte{'\n'}, int(left))...), nil
}

// storedSlack is room for the headers of a few files.
const storedSlack = 64 << 10

func (p Package) level() int {
	if p.Stored {
		return gzip.NoCompression
	}
	return gzip.BestCompression
}

// member adds one member to the archive, whose header is written when its
// length is known.
func (p Package) member(out *bytes.Buffer, name string, write func(io.Writer) error) error {
	header := func(length int) string {
		return fmt.Sprintf(arHeader, name, p.Time.Unix(), 0, 0, "100644", length)
	}
	at := out.Len()
	out.WriteString(header(0))
	begin := out.Len()
	if err := write(out); err != nil {
		return err
	}
	length := out.Len() - begin
	copy(out.Bytes()[at:begin], header(length))
	if length%2 == 1 {
		out.WriteByte('\n')
	}
	return nil
}

// size is how many bytes the files have.
func size(entries []Entry) int {
	n := int64(0)
	for _, e := range entries {
		n += e.content().Size()
	}
	return int(n)
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
	var b bytes.Buffer
	fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %d\n",
		p.Name, p.Version, p.Architecture, maintainer, (size(entries)+1023)/1024)
	for _, f := range [][2]string{{"Depends", p.Depends}, {"Conflicts", p.Conflicts}, {"Section", p.Section}, {"Priority", "optional"}, {"Description", p.Summary}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
		}
	}
	for line := range strings.Lines(p.Description) {
		if line = strings.TrimRight(line, "\n"); line == "" {
			line = "." // Debian policy 5.6.13: how an empty line is written
		}
		fmt.Fprintf(&b, " %s\n", line)
	}
	return b.Bytes()
}

func (p Package) sums(entries []Entry) ([]byte, error) {
	var b bytes.Buffer
	for _, e := range entries {
		if e.Dir || e.Target != "" {
			continue
		}
		sum := md5.New()
		if _, err := io.Copy(sum, e.content()); err != nil {
			return nil, fmt.Errorf("package %s: %s: %w", p.Name, e.Path, err)
		}
		fmt.Fprintf(&b, "%x  %s\n", sum.Sum(nil), strings.TrimPrefix(e.Path, "/"))
	}
	return b.Bytes(), nil
}

// archive writes a tar archive without anything of this machine in it.
func (p Package) archive(out io.Writer, entries []Entry, level int) error {
	gz, err := gzip.NewWriterLevel(out, level)
	if err != nil {
		return err
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
			header.Typeflag, header.Size = tar.TypeReg, e.content().Size()
		}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("package %s: %s: %w", p.Name, e.Path, err)
		}
		if _, err := io.Copy(w, e.content()); err != nil {
			return fmt.Errorf("package %s: %s: %w", p.Name, e.Path, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return gz.Close()
}
