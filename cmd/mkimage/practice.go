package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringboot/rehearsal/base"
)

// practice returns the path of the practice ISO, made when it is not there.
func practice(ctx context.Context, t *terminal) (string, error) {
	path, err := base.Practice(ctx, func(what string) { t.say("practice ISO: %s", what) })
	if errors.Is(err, base.ErrRoot) || errors.Is(err, base.ErrTools) {
		return "", &exit{exitPrecondition, err}
	}
	return path, err
}

func newPracticeISO(t *terminal) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "practice-iso",
		Short: "Make the practice ISO: for practising without Proxmox VE",
		Long: "practice-iso makes an ISO that is laid out and installs like the one of Proxmox\n" +
			"VE, and prints its path. What it installs is a small Debian with stand-ins of the\n" +
			"Proxmox tools. It is made of Debian packages on a Debian machine, by root, and kept\n" +
			"in the cache: the second time costs nothing.",
		Example: "  sudo mkimage practice-iso\n  sudo mkimage practice-iso --out practice.iso",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := practice(cmd.Context(), t)
			if err != nil {
				return err
			}
			if out != "" {
				if path, err = keep(path, out); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(t.stdout, path)
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "also write it to this file, which must not be there yet")
	return cmd
}

// keep copies a file to a name that is free.
func keep(from, to string) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", err
	}
	if _, err := out.ReadFrom(in); err != nil {
		return "", errors.Join(err, out.Close(), os.Remove(to))
	}
	if err := out.Sync(); err != nil {
		return "", errors.Join(err, out.Close())
	}
	return to, out.Close()
}
