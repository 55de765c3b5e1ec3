// Package host is the machine behind small interfaces: files, commands,
// clock, units and network links.
//
// The agent touches the machine through a Host only, so that a test can put a
// directory, a stand-in or a machine that loses power in its place. It holds
// no decision of the plan.
package host

import (
	"context"
	"io/fs"
	"time"
)

// Host is the machine that an agent works on.
type Host struct {
	Files    Files
	Commands Commands
	Clock    Clock
}

// Files reads and changes the file system. Paths are absolute, as on the
// node; an implementation may put a root before them.
type Files interface {
	ReadFile(path string) ([]byte, error)
	// WriteFile replaces the file atomically: temporary name in the same
	// directory, fsync, rename, fsync of the directory. Missing parents are
	// made with mode 0755.
	WriteFile(path string, content []byte, mode fs.FileMode) error
	// WriteDirect writes in place, for the pseudo files of /proc, /sys and
	// /etc/pve that take no rename.
	WriteDirect(path string, content []byte) error
	// Append adds to the end of the file and fsyncs it.
	Append(path string, content []byte, mode fs.FileMode) error
	// Remove removes a file, a link or an empty directory. A missing one is no error.
	Remove(path string) error
	Rename(from, to string) error
	Symlink(target, path string) error
	MkdirAll(path string, mode fs.FileMode) error
	// Mkdir makes one directory. One that is there is fs.ErrExist: of two who try
	// at the same time one has made it.
	Mkdir(path string, mode fs.FileMode) error
	// Chtimes sets when a path was last changed, as utimes(2).
	Chtimes(path string, at time.Time) error
	Lstat(path string) (fs.FileInfo, error)
	Stat(path string) (fs.FileInfo, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Readlink(path string) (string, error)
	Chmod(path string, mode fs.FileMode) error
	Chown(path string, uid, gid int) error
	// Sync flushes all file systems, as sync(1).
	Sync() error
}

// Cmd is one command to run.
type Cmd struct {
	Argv    []string      // Argv[0] is looked up in the system's usual PATH
	Stdin   []byte        // nil: /dev/null
	Env     []string      // KEY=value, added to a small fixed environment with LC_ALL=C
	Timeout time.Duration // 0: one minute
	// ReadOnly says that the command changes nothing. Check runs no other kind.
	ReadOnly bool
}

// Result is what a command left behind. Code is its exit status.
type Result struct {
	Stdout, Stderr []byte
	Code           int
}

// Commands runs programs: stdin from Cmd, working directory /, own process
// group, killed as a group at the time-out.
type Commands interface {
	// Run returns an error only if the command could not be started, was
	// killed, or ran out of time. An exit status other than 0 is no error here:
	// for many Proxmox tools it means nothing.
	Run(ctx context.Context, cmd Cmd) (Result, error)
}

// Clock is the time. Sleep returns early with the context's error.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}
