package crash

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// ErrRefused is what a caller hears of the one thing that is refused.
var ErrRefused = errors.New("refused")

// Refused is what came of one thing that was refused: a file that cannot be read
// or written, a command that cannot be started, or one that fails.
type Refused struct {
	What  string   // as "write /etc/hosts", "run sync" or "fail sync"
	Err   error    // what the caller said in the end
	After []string // what was changed all the same, in order
}

// Refusals does the same on one fresh machine after the other. On each the next of
// all things that are asked of it is refused. Whether there is something at a path
// is always told: who asks so takes what he cannot see for absent.
func Refusals(fresh func() host.Host, do func(h host.Host) error) iter.Seq[Refused] {
	return func(yield func(Refused) bool) {
		for _, fails := range []bool{false, true} {
			for at := 1; ; at++ {
				h := fresh()
				r := &refusing{Files: h.Files, commands: h.Commands, at: at, fails: fails}
				err := do(host.Host{Files: r, Commands: (*refusingCommands)(r), Clock: h.Clock})
				if r.what == "" {
					break
				}
				if !yield(Refused{r.what, err, r.after}) {
					return
				}
			}
		}
	}
}

// refusing is a machine that refuses the thing at which it has been asked so often.
type refusing struct {
	host.Files
	commands  host.Commands
	at, asked int
	fails     bool // of the commands one fails, and all else is as it was
	what      string
	after     []string
}

// refuses counts what is asked for and reports whether it is this one.
func (r *refusing) refuses(what string, changes bool) bool {
	if r.asked++; r.asked == r.at {
		r.what = what
		return true
	}
	if changes && r.what != "" {
		r.after = append(r.after, strings.Replace(what, "fail ", "run ", 1))
	}
	return false
}

// file is nil, or the error of an operation on a path.
func (r *refusing) file(op, path string, changes bool) error {
	if r.fails {
		if changes && r.what != "" {
			r.after = append(r.after, op+" "+path)
		}
		return nil
	}
	if r.refuses(op+" "+path, changes) {
		return &fs.PathError{Op: op, Path: path, Err: ErrRefused}
	}
	return nil
}

// look asks for something of a file, unless that is refused.
func look[T any](r *refusing, op, path string, ask func(string) (T, error)) (T, error) {
	if err := r.file(op, path, false); err != nil {
		var none T
		return none, err
	}
	return ask(path)
}

func (r *refusing) change(op, path string, do func() error) error {
	if err := r.file(op, path, true); err != nil {
		return err
	}
	return do()
}

func (r *refusing) ReadFile(path string) ([]byte, error) {
	return look(r, "read", path, r.Files.ReadFile)
}

func (r *refusing) Stat(path string) (fs.FileInfo, error) {
	return look(r, "look at", path, r.Files.Stat)
}

func (r *refusing) ReadDir(path string) ([]fs.DirEntry, error) {
	return look(r, "list", path, r.Files.ReadDir)
}

func (r *refusing) Readlink(path string) (string, error) {
	return look(r, "read link", path, r.Files.Readlink)
}

func (r *refusing) WriteFile(path string, content []byte, mode fs.FileMode) error {
	return r.change("write", path, func() error { return r.Files.WriteFile(path, content, mode) })
}

func (r *refusing) WriteDirect(path string, content []byte) error {
	return r.change("write", path, func() error { return r.Files.WriteDirect(path, content) })
}

func (r *refusing) Append(path string, content []byte, mode fs.FileMode) error {
	return r.change("append", path, func() error { return r.Files.Append(path, content, mode) })
}

func (r *refusing) Remove(path string) error {
	return r.change("remove", path, func() error { return r.Files.Remove(path) })
}

func (r *refusing) Rename(from, to string) error {
	return r.change("rename", from, func() error { return r.Files.Rename(from, to) })
}

func (r *refusing) Symlink(target, path string) error {
	return r.change("link", path, func() error { return r.Files.Symlink(target, path) })
}

func (r *refusing) MkdirAll(path string, mode fs.FileMode) error {
	return r.change("make", path, func() error { return r.Files.MkdirAll(path, mode) })
}

func (r *refusing) Mkdir(path string, mode fs.FileMode) error {
	return r.change("make", path, func() error { return r.Files.Mkdir(path, mode) })
}

func (r *refusing) Chtimes(path string, at time.Time) error {
	return r.change("touch", path, func() error { return r.Files.Chtimes(path, at) })
}

func (r *refusing) Chmod(path string, mode fs.FileMode) error {
	return r.change("chmod", path, func() error { return r.Files.Chmod(path, mode) })
}

func (r *refusing) Chown(path string, uid, gid int) error {
	return r.change("chown", path, func() error { return r.Files.Chown(path, uid, gid) })
}

func (r *refusing) Sync() error { return r.change("sync", "all", r.Files.Sync) }

type refusingCommands refusing

func (c *refusingCommands) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	r, name := (*refusing)(c), strings.Join(cmd.Argv, " ")
	switch {
	case !r.fails && r.refuses("run "+name, !cmd.ReadOnly):
		return host.Result{Code: -1}, &fs.PathError{Op: "run", Path: name, Err: ErrRefused}
	case r.fails && r.refuses("fail "+name, !cmd.ReadOnly):
		return host.Result{Code: 1, Stderr: []byte(ErrRefused.Error() + "\n")}, nil
	}
	return r.commands.Run(ctx, cmd)
}
