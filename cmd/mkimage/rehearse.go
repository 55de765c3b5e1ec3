package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/profiles/fault"
)

// rehearser is the program that practises: it carries a practice system, which
// whoever makes images does not need.
const rehearser = "rehearse"

// findRehearser looks beside this program and then where programs are.
func findRehearser() (string, error) {
	if self, err := os.Executable(); err == nil {
		if self, err = filepath.EvalSymlinks(self); err == nil {
			beside := filepath.Join(filepath.Dir(self), rehearser)
			if is, err := os.Stat(beside); err == nil && is.Mode().IsRegular() {
				return beside, nil
			}
		}
	}
	path, err := exec.LookPath(rehearser)
	if err != nil {
		return "", fault.Precondition.Errorf("practising is the work of the program %s, which lies neither beside mkimage nor in PATH: put it there (make builds it)", rehearser)
	}
	return path, nil
}

// leaveTime is what the other program gets to end its machines.
const leaveTime = time.Minute

// startRehearser runs the other program with this one's terminal, and ends as it does.
func startRehearser(ctx context.Context, t *cli.Terminal, stdout io.Writer, args ...string) error {
	path, err := findRehearser()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = t.Stdin, stdout, t.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = leaveTime
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() > 0 {
		return fault.Kind(ended.ExitCode()).Silent() // it has said why
	}
	return err
}

// practice returns the path of the practice ISO, which is made where it is not
// there yet.
func practice(ctx context.Context, t *cli.Terminal) (string, error) {
	var out bytes.Buffer
	err := startRehearser(ctx, t, &out, "practice-iso")
	return strings.TrimSpace(out.String()), err
}

func newPracticeISO(t *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "practice-iso",
		Short: "Make the ISO for practising and say where it is",
		Long: "practice-iso starts rehearse practice-iso, which makes an installation medium with the anatomy of the " +
			"Proxmox VE ISO from Debian packages. What it installs is no Proxmox VE, and says so.",
		Example: "  sudo $(command -v mkimage) practice-iso\n  mkimage --node frege --iso practice",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return startRehearser(cmd.Context(), t, t.Stdout, "practice-iso")
		},
	}
}

func newRehearse(t *cli.Terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "rehearse",
		Short: "Play the whole trip in virtual machines: starts the program rehearse",
		Long: "rehearse starts the program of that name, which lies beside mkimage, with all that follows. It builds the images " +
			"of all nodes, starts one virtual machine per node with its stick in it, and waits for the cluster: rehearse --help.",
		Example:            "  mkimage rehearse\n  mkimage rehearse --drill all",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return startRehearser(cmd.Context(), t, t.Stdout, args...)
		},
	}
}
