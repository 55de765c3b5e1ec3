//go:build !linux

package containers

import "os/exec"

func endWithUs(*exec.Cmd) {}
