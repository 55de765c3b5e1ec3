package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/deb"
	"ringboot/profiles/fault"
)

func newPackage(t *terminal) *cobra.Command {
	out := "."
	cmd := &cobra.Command{
		Use:   "package [PROGRAM]",
		Short: "Write the Debian package of this program",
		Long: `Write ringboot-keeper_VERSION_amd64.deb with this program, or another build of it
for linux/amd64, and its unit. It is the same for every machine and holds no key.`,
		Example: "  ringkeeper package\n  apt install ./ringboot-keeper_*_amd64.deb",
		Args:    cli.AtMostOne("PROGRAM"),
		RunE: func(_ *cobra.Command, args []string) error {
			program, err := os.Executable()
			if len(args) > 0 {
				program, err = args[0], nil
			}
			if err != nil {
				return err
			}
			text, err := os.ReadFile(program)
			if err != nil {
				return err
			}
			const elf = "\x7fELF\x02\x01" // 64 bits, little-endian (System V ABI 4.1)
			if !bytes.HasPrefix(text, []byte(elf)) {
				return fault.Precondition.Errorf("%s is no program for linux/amd64: name a build of ringkeeper for it", program)
			}
			p, err := deb.Ringkeeper(version, io.NewSectionReader(bytes.NewReader(text), 0, int64(len(text))), time.Unix(0, 0).UTC())
			if err != nil {
				return err
			}
			content, err := p.Build()
			if err != nil {
				return err
			}
			at := filepath.Join(out, p.FileName())
			f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			_, err = f.Write(content)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			t.Say("wrote %s: apt install ./%s on each of the three machines", at, p.FileName())
			return nil
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", out, "`directory` for it")
	return cmd
}
