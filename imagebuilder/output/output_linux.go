package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// create makes a file without a name (open(2), O_TMPFILE): whatever ends this
// process, nothing is left. Not all file systems can.
func create(dst string, mode fs.FileMode) (*pending, error) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		return createNamed(dst, mode) // without /proc it could get no name later
	}
	f, err := os.OpenFile(filepath.Dir(dst), os.O_RDWR|unix.O_TMPFILE, mode.Perm())
	switch {
	case err == nil:
		return &pending{File: f}, nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return createNamed(dst, mode)
	}
	return nil, err
}

// commit gives the file its name.
func (p *pending) commit(dst string, replace bool) error {
	if p.named != "" {
		return p.commitNamed(dst, replace)
	}
	err := p.link(dst)
	if err == nil || !replace || !errors.Is(err, fs.ErrExist) {
		return err
	}
	// link(2) does not replace, so the file takes a temporary name for a moment.
	for i := range 100 {
		name := filepath.Join(filepath.Dir(dst), fmt.Sprintf(".%s.%d-%d%s", filepath.Base(dst), os.Getpid(), i, suffix))
		if err = p.link(name); err == nil {
			p.named = name
			return p.commitNamed(dst, true)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

func (p *pending) link(name string) error {
	from := "/proc/self/fd/" + strconv.Itoa(int(p.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: "the finished file", New: name, Err: err}
	}
	return nil
}

// shareBlocks makes w share the blocks of src, if the file system can and the
// two are the same size. ioctl_ficlonerange(2).
func shareBlocks(w, src *os.File, size int64) bool {
	st, err := src.Stat()
	if err != nil || st.Size() != size || !st.Mode().IsRegular() {
		return false
	}
	return unix.IoctlFileClone(int(w.Fd()), int(src.Fd())) == nil
}

// shareRange makes a part of w share the blocks of a part of src. Nothing is
// changed if the file system cannot. ioctl_ficlonerange(2).
func shareRange(w *os.File, at int64, src *os.File, from, length int64) bool {
	return unix.IoctlFileCloneRange(int(w.Fd()), &unix.FileCloneRange{
		Src_fd: int64(src.Fd()), Src_offset: uint64(from), Src_length: uint64(length), Dest_offset: uint64(at),
	}) == nil
}

// copyInKernel copies a part with copy_file_range(2). ok is false if this pair
// of files cannot be copied so.
func copyInKernel(w, src *os.File, off, want int64) (n int64, ok bool, err error) {
	from, to := off, off
	for {
		got, err := unix.CopyFileRange(int(src.Fd()), &from, int(w.Fd()), &to, int(want), 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EIO), errors.Is(err, unix.EFBIG):
			return 0, true, err
		case err != nil:
			return 0, false, nil
		case got == 0:
			return 0, false, nil // some file systems say so instead of refusing; reading tells the truth
		}
		return int64(got), true, nil
	}
}

// startWriting has the kernel begin to write a part to the disk, and does not
// wait for it: what the image is flushed with is then small. sync_file_range(2).
func startWriting(w *os.File, off, n int64) {
	_ = unix.SyncFileRange(int(w.Fd()), off, n, unix.SYNC_FILE_RANGE_WRITE) // it saves time, and Sync tells the truth
}
