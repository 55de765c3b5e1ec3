//go:build !linux

package output

import (
	"io/fs"
	"os"
)

func create(dst string, mode fs.FileMode) (*pending, error) { return createNamed(dst, mode) }

func (p *pending) commit(dst string, replace bool) error { return p.commitNamed(dst, replace) }

func shareBlocks(_, _ *os.File, _ int64) bool { return false }

func copyInKernel(_, _ *os.File, _, _ int64) (n int64, ok bool, err error) { return 0, false, nil }

func shareRange(_ *os.File, _ int64, _ *os.File, _, _ int64) bool { return false }

func startWriting(*os.File, int64, int64) {}
