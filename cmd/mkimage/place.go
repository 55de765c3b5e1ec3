package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles/fault"
)

// target is the name of a node's image.
func (m *making) target(c cluster, node string, several bool) string {
	name := c.Cluster.Name + "-" + node + ".iso"
	if m.out == "" {
		return name
	}
	if is, err := os.Stat(m.out); several || strings.HasSuffix(m.out, string(filepath.Separator)) || err == nil && is.IsDir() {
		return filepath.Join(m.out, name)
	}
	return m.out
}

// beside is the name of the manifest beside an image.
func beside(dst string) string { return strings.TrimSuffix(dst, ".iso") + ".manifest.json" }

// besides refuses to overwrite anything but the manifest of an earlier image of
// the same node.
func (m *making) besides(c cluster, node, dst string) error {
	name := beside(dst)
	old, err := manifest.Load(name)
	if m.force || errors.Is(err, fs.ErrNotExist) || err == nil && old.Cluster == c.Cluster.Name && old.Node == node {
		return nil
	}
	return fault.Refused.Errorf("%s is there and is no manifest of an image of %s: move it away, or overwrite it with --force", name, node)
}

// room refuses to overwrite anything but an earlier image of the same node.
func (m *making) room(c cluster, node string, several bool) error {
	if m.stick != "" {
		return nil
	}
	dst := m.target(c, node, several)
	if err := m.besides(c, node, dst); err != nil {
		return err
	}
	f, err := os.Open(dst)
	if errors.Is(err, fs.ErrNotExist) {
		return writable(filepath.Dir(dst))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return err
	}
	if !is.Mode().IsRegular() {
		return fault.Refused.Errorf("%s is no file; to write a device, use --stick", dst)
	}
	if m.force {
		return nil
	}
	d, err := inspect.Describe(f, is.Size())
	if err == nil && d.Manifest != nil && d.Manifest.Cluster == c.Cluster.Name && d.Manifest.Node == node {
		return nil
	}
	return fault.Refused.Errorf("%s is there and is no image of %s: move it away, or overwrite it with --force", dst, node)
}

// writable says before any work what would stop it at its end: a directory
// that takes no file. One that there is not yet is made later.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".ringboot-*")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Precondition.Errorf("%s takes no file (%w): name another place with --out", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
