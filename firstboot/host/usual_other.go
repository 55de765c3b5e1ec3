//go:build !linux

package host

func usual(int) {}
