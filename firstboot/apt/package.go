package apt

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/host"
)

// Package is what a package file says of itself.
type Package struct {
	Name, Version, Architecture string
}

// PackageOf has dpkg read the fields of a package file, which must be whole.
func (s System) PackageOf(ctx context.Context, file []byte) (p Package, err error) {
	var r host.Result
	for _, words := range [][]string{{"--contents", "-"}, {"--field", "-", "Package", "Version", "Architecture"}} { // the first reads all of it
		r, err = s.Host.Commands.Run(ctx, host.Cmd{Argv: append([]string{"dpkg-deb"}, words...), Stdin: file, ReadOnly: true, Timeout: time.Minute})
		if err != nil {
			return p, err
		}
		if r.Code != 0 {
			return p, unread(r)
		}
	}
	for line := range strings.Lines(string(r.Stdout)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "Architecture":
			p.Architecture = value
		}
	}
	if p.Name == "" || p.Version == "" {
		return p, unread(r)
	}
	return p, nil
}

func unread(r host.Result) error {
	return fmt.Errorf("dpkg reads no whole package in it (%s): write it with mkimage package", host.LastLine(r))
}

// InstallFile installs a package file of the machine.
func (s System) InstallFile(ctx context.Context, file string) error {
	if err := s.Finish(ctx); err != nil {
		return err
	}
	_, err := host.Run(ctx, s.Host.Commands, host.Cmd{Argv: []string{"dpkg", "--force-confold", "--install", file}, Timeout: limit})
	return err
}
