package rehearsal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"syscall"
)

// markSize is how much of each end of a disk a drill fills with a pattern.
const markSize = 1 << 20

// pattern is what a disk holds that nobody may write to.
func pattern(serial string, size int) []byte {
	var seed [32]byte
	copy(seed[:], serial)
	out := make([]byte, size)
	rand.NewChaCha8(seed).Read(out) //nolint:errcheck // it never returns an error
	return out
}

// mark fills both ends of a blank disk with its pattern, as if something were on it.
func mark(path, serial string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	for _, at := range []int64{0, size - markSize} {
		if _, err := file.WriteAt(pattern(serial, markSize), at); err != nil {
			return err
		}
	}
	return file.Close()
}

// Whence values of lseek(2) on Linux, which package io does not have.
const (
	seekData = 3
	seekHole = 4
)

// changed counts the bytes of a marked disk that are not as they were.
func changed(path, serial string, marked bool) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	want := make([]byte, markSize)
	if marked {
		want = pattern(serial, markSize)
	}
	blank := make([]byte, markSize)
	var count int64
	buffer := make([]byte, markSize)
	for at := int64(0); at < size; {
		from, to, err := allocated(file, at, size)
		if err != nil {
			return 0, err
		}
		if from < 0 {
			break
		}
		from -= from % markSize // whole pieces, so that the pattern lies in one
		for ; from < to; from += markSize {
			n, err := file.ReadAt(buffer, from)
			if err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
			expect := blank
			if from == 0 || from == size-markSize {
				expect = want
			}
			count += differing(buffer[:n], expect[:n])
		}
		at = from
	}
	return count, nil
}

// allocated returns the next part of a file from at on that is no hole; from
// is -1 when there is none.
func allocated(file *os.File, at, size int64) (from, to int64, err error) {
	from, err = file.Seek(at, seekData)
	switch {
	case errors.Is(err, syscall.ENXIO):
		return -1, 0, nil
	case err != nil:
		return at, size, nil // a file system without holes: read it all
	}
	to, err = file.Seek(from, seekHole)
	if err != nil {
		return 0, 0, fmt.Errorf("holes of %s: %w", file.Name(), err)
	}
	return from, to, nil
}

func differing(a, b []byte) int64 {
	if bytes.Equal(a, b) {
		return 0
	}
	var count int64
	for i := range a {
		if a[i] != b[i] {
			count++
		}
	}
	return count
}

// MarkDisks writes a pattern on every disk of a machine, as if it held
// something.
func (r *Rehearsal) MarkDisks(node string) error {
	for i, d := range r.machine(node).Disks {
		if err := mark(r.paths.disk(node, i), d.Serial); err != nil {
			return err
		}
	}
	return nil
}

// BytesChanged counts the bytes that were changed on the disks of a machine:
// all of them, or all but the system disk. marked tells whether MarkDisks was
// there before; the disks were blank otherwise.
func (r *Rehearsal) BytesChanged(node string, marked, systemToo bool) (int64, error) {
	var sum int64
	for i, d := range r.machine(node).Disks {
		if d.System && !systemToo {
			continue
		}
		n, err := changed(r.paths.disk(node, i), d.Serial, marked)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (r *Rehearsal) machine(node string) Hardware {
	for _, m := range r.Plan.Machines {
		if m.Node == node {
			return m
		}
	}
	return Hardware{}
}
