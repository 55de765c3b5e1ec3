package crash

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"ringboot/firstboot/host"
)

// files are the machine's files; each write is a point.
type files Machine

func (f *files) m() *Machine { return (*Machine)(f) }

// tempSuffix ends the name of what an atomic write leaves when it is cut off.
const tempSuffix = ".ringboot-new"

func (f *files) WriteFile(path string, content []byte, mode fs.FileMode) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+tempSuffix)
	return f.m().point("write "+path, func() error {
		f.Disk.Remove(temp)
		return f.Disk.WriteFile(path, content, mode)
	}, func() { f.Disk.WriteFile(temp, content[:len(content)/2], 0o600) })
}

func (f *files) WriteDirect(path string, content []byte) error {
	return f.m().point("write direct "+path, func() error { return f.Disk.WriteDirect(path, content) },
		func() { f.Disk.WriteDirect(path, content[:len(content)/2]) })
}

func (f *files) Append(path string, content []byte, mode fs.FileMode) error {
	return f.m().point("append "+path, func() error { return f.Disk.Append(path, content, mode) },
		func() { f.Disk.Append(path, content[:len(content)/2], mode) })
}

func (f *files) Remove(path string) error {
	return f.m().point("remove "+path, func() error { return f.Disk.Remove(path) }, nil)
}

func (f *files) Rename(from, to string) error {
	return f.m().point("rename "+from+" "+to, func() error { return f.Disk.Rename(from, to) }, nil)
}

func (f *files) Symlink(target, path string) error {
	return f.m().point("link "+path, func() error { return f.Disk.Symlink(target, path) }, nil)
}

func (f *files) MkdirAll(path string, mode fs.FileMode) error {
	return f.m().point("make "+path, func() error { return f.Disk.MkdirAll(path, mode) }, nil)
}

func (f *files) Mkdir(path string, mode fs.FileMode) error {
	return f.m().point("make "+path, func() error { return f.Disk.Mkdir(path, mode) }, nil)
}

func (f *files) Chtimes(path string, at time.Time) error {
	return f.m().point("touch "+path, func() error { return f.Disk.Chtimes(path, at) }, nil)
}

func (f *files) Chmod(path string, mode fs.FileMode) error {
	return f.m().point("chmod "+path, func() error { return f.Disk.Chmod(path, mode) }, nil)
}

func (f *files) Chown(path string, uid, gid int) error {
	return f.m().point("chown "+path, func() error { return f.Disk.Chown(path, uid, gid) }, nil)
}

// Sync is a point as well: the power may go before it has happened.
func (f *files) Sync() error { return f.m().point("sync", f.Disk.Sync, nil) }

func (f *files) ReadFile(path string) ([]byte, error) { return alive(f.m(), f.Disk.ReadFile, path) }

func (f *files) Lstat(path string) (fs.FileInfo, error) { return alive(f.m(), f.Disk.Lstat, path) }

func (f *files) Stat(path string) (fs.FileInfo, error) { return alive(f.m(), f.Disk.Stat, path) }

func (f *files) ReadDir(path string) ([]fs.DirEntry, error) {
	return alive(f.m(), f.Disk.ReadDir, path)
}

func (f *files) Readlink(path string) (string, error) { return alive(f.m(), f.Disk.Readlink, path) }

// alive asks something of the disk, while there is power.
func alive[T any](m *Machine, ask func(string) (T, error), path string) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		var none T
		return none, ErrPowerCut
	}
	return ask(path)
}

// commands are the machine's commands; each that may change something is a point.
type commands Machine

func (c *commands) Run(ctx context.Context, cmd host.Cmd) (result host.Result, err error) {
	m := (*Machine)(c)
	if cmd.ReadOnly {
		if m.Dead() {
			return host.Result{}, ErrPowerCut
		}
		return m.commands.Run(ctx, cmd)
	}
	var torn func()
	if p, ok := m.commands.(Partial); ok {
		torn = func() { p.RunPartly(ctx, cmd) }
	}
	err = m.point(commandName(cmd), func() (err error) {
		result, err = m.commands.Run(ctx, cmd)
		return err
	}, torn)
	return result, err
}

// clock is the machine's clock; it stands while the power is cut.
type clock Machine

func (c *clock) Now() time.Time { return c.clock.Now() }

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if (*Machine)(c).Dead() {
		return ErrPowerCut
	}
	return c.clock.Sleep(ctx, d)
}
