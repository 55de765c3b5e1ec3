package crash

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ringboot/firstboot/host"
)

// files are the machine's files; each write is a point.
type files Machine

func (f *files) m() *Machine { return (*Machine)(f) }

func (f *files) WriteFile(path string, content []byte, mode fs.FileMode) error {
	torn := func() {
		at := f.m().at(path)
		if os.MkdirAll(filepath.Dir(at), 0o755) == nil {
			os.WriteFile(filepath.Join(filepath.Dir(at), "."+filepath.Base(at)+".ringboot-new"), content[:len(content)/2], 0o600)
		}
	}
	// Lost is the same as before the write: the rename did not reach the disk.
	if m := f.m(); m.cut.Fate == Lost && m.armedNext() {
		return m.point("write "+path, []string{path}, false, func() error { return m.inner.Files.WriteFile(path, content, mode) }, nil)
	}
	return f.m().point("write "+path, []string{path}, true, func() error { return f.inner.Files.WriteFile(path, content, mode) }, torn)
}

// armedNext reports whether the next point is the cut.
func (m *Machine) armedNext() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.dead && m.cut.Point == m.points+1
}

func (f *files) WriteDirect(path string, content []byte) error {
	return f.m().point("write direct "+path, []string{path}, false,
		func() error { return f.inner.Files.WriteDirect(path, content) },
		func() { f.inner.Files.WriteDirect(path, content[:len(content)/2]) })
}

func (f *files) Append(path string, content []byte, mode fs.FileMode) error {
	return f.m().point("append "+path, []string{path}, false,
		func() error { return f.inner.Files.Append(path, content, mode) },
		func() { f.inner.Files.Append(path, content[:len(content)/2], mode) })
}

func (f *files) Remove(path string) error {
	return f.m().point("remove "+path, []string{path}, false, func() error { return f.inner.Files.Remove(path) }, nil)
}

func (f *files) Rename(from, to string) error {
	m := f.m()
	return m.point("rename "+from+" "+to, []string{from, to}, false, func() error { return f.inner.Files.Rename(from, to) }, nil)
}

func (f *files) Symlink(target, path string) error {
	return f.m().point("link "+path, []string{path}, false, func() error { return f.inner.Files.Symlink(target, path) }, nil)
}

func (f *files) MkdirAll(path string, mode fs.FileMode) error {
	return f.m().point("make "+path, []string{path}, false, func() error { return f.inner.Files.MkdirAll(path, mode) }, nil)
}

func (f *files) Chmod(path string, mode fs.FileMode) error {
	return f.m().point("chmod "+path, []string{path}, false, func() error { return f.inner.Files.Chmod(path, mode) }, nil)
}

func (f *files) Chown(path string, uid, gid int) error {
	return f.m().point("chown "+path, []string{path}, false, func() error { return f.inner.Files.Chown(path, uid, gid) }, nil)
}

// Sync is a point as well: the power may go before it has happened.
func (f *files) Sync() error {
	m := f.m()
	return m.point("sync", nil, true, func() error {
		m.undo = nil
		return nil // the test's own disk is not what is tested
	}, nil)
}

func (f *files) ReadFile(path string) ([]byte, error) {
	if err := f.m().alive(); err != nil {
		return nil, err
	}
	return f.inner.Files.ReadFile(path)
}

func (f *files) Lstat(path string) (fs.FileInfo, error) {
	if err := f.m().alive(); err != nil {
		return nil, err
	}
	return f.inner.Files.Lstat(path)
}

func (f *files) Stat(path string) (fs.FileInfo, error) {
	if err := f.m().alive(); err != nil {
		return nil, err
	}
	return f.inner.Files.Stat(path)
}

func (f *files) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.m().alive(); err != nil {
		return nil, err
	}
	return f.inner.Files.ReadDir(path)
}

func (f *files) Readlink(path string) (string, error) {
	if err := f.m().alive(); err != nil {
		return "", err
	}
	return f.inner.Files.Readlink(path)
}

// commands are the machine's commands; each that may change something is a point.
type commands Machine

func (c *commands) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	m := (*Machine)(c)
	if cmd.ReadOnly {
		if err := m.alive(); err != nil {
			return host.Result{}, err
		}
		return m.inner.Commands.Run(ctx, cmd)
	}
	var result host.Result
	var torn func()
	if p, ok := m.inner.Commands.(Partial); ok {
		torn = func() { p.RunPartly(ctx, cmd) }
	}
	err := m.point(commandName(cmd), nil, false, func() error {
		var err error
		result, err = m.inner.Commands.Run(ctx, cmd)
		return err
	}, torn)
	return result, err
}

// clock is the machine's clock; it stands while the power is cut.
type clock Machine

func (c *clock) Now() time.Time { return c.inner.Clock.Now() }

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := (*Machine)(c).alive(); err != nil {
		return err
	}
	return c.inner.Clock.Sleep(ctx, d)
}
