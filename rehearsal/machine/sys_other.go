//go:build !linux

package machine

import "errors"

func syncDisks()                  {}
func mountTree(_, _ string) error { return errors.ErrUnsupported }
func unmountTree(_, _ string)     {}
func protect(_ string, _ bool)    {}
