package early

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Where the rider keeps its things: see imagebuilder/initrd.
const (
	Directory = "/.ringboot"
	saved     = Directory + "/init"
	first     = "/init"
)

// Mounts are the pseudo file systems that were mounted here.
type Mounts struct{ points []string }

// Mount mounts what is needed to look at a machine. The program that follows
// mounts its own, so Undo takes all away again.
func Mount() (*Mounts, error) {
	m := &Mounts{}
	for _, fs := range []struct{ kind, at string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}} {
		if err := os.MkdirAll(fs.at, 0o755); err != nil {
			return m, err
		}
		err := unix.Mount(fs.kind, fs.at, fs.kind, 0, "")
		if errors.Is(err, unix.EBUSY) {
			continue // it is there already, and is not ours
		}
		if err != nil {
			return m, fmt.Errorf("mount %s: %w", fs.at, err)
		}
		m.points = append(m.points, fs.at)
	}
	return m, nil
}

// Undo unmounts what Mount mounted. Files of them must be closed.
func (m *Mounts) Undo() error {
	var errs []error
	for _, at := range slices.Backward(m.points) {
		if err := unix.Unmount(at, 0); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", at, err))
		}
	}
	m.points = nil
	return errors.Join(errs...)
}

// HandOver puts the medium's own first program back into its place and becomes
// it, with the same arguments and environment. It returns only with an error.
func HandOver(m *Mounts, args, env []string) error {
	if err := m.Undo(); err != nil {
		return err
	}
	if err := os.Rename(saved, first); err != nil {
		return fmt.Errorf("the medium's own first program: %w", err)
	}
	rest, err := filepath.Glob(Directory + "/*")
	if err != nil {
		return err
	}
	for _, name := range rest {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	if err := os.Remove(Directory); err != nil {
		return err
	}
	if err := unix.Exec(first, args, env); err != nil {
		return fmt.Errorf("start the medium's own first program: %w", err)
	}
	return nil
}
