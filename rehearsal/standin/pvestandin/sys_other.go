//go:build !linux

package main

func syncDisks()                 {}
func mountTree(_, _ string) bool { return false }
func unmountTree(_, _ string)    {}
func protect(_ string, _ bool)   {}
