package main

import (
	"context"
	"errors"
	"path/filepath"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/initrd"
	"ringboot/profiles/fault"
)

// preflight packs what looks at a machine before the installer does; nil if it
// is to be left out.
func (m *making) preflight(base *imagebuilder.Opened) (*imagebuilder.Preflight, error) {
	if m.blind {
		m.t.Warn("nothing looks at the machine before the installer does: a disk that the firmware hides from the boot menu is installed over, and so is one that only looks like the one that was meant")
		return nil, nil
	}
	program, err := agent.Preflight()
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	of, err := base.KnownInitrd(filepath.Join(cache, "sums"))
	if errors.Is(err, initrd.ErrUnknown) {
		return nil, fault.Refused.Errorf("%w: nothing of ours can look at the machine before it is erased; make the image all the same with --without-preflight", err)
	}
	if err != nil {
		return nil, err
	}
	return imagebuilder.PackPreflight(program, of)
}

// look makes a medium that only looks at machines. It needs no keyring, and of
// the profile the release alone.
func (m *making) look(ctx context.Context) error {
	if m.node != "" || m.all || m.rootDisk != "" || m.blind {
		return fault.Usage.Errorf("--probe installs no node and is nothing without preflight: leave --node, --all, --root-disk and --without-preflight out")
	}
	c, err := loadProfile(m.t, m.profile)
	if err != nil {
		return err
	}
	if err := m.check([]string{imagebuilder.NoNode}); err != nil {
		return err
	}
	if err := m.room(c, imagebuilder.NoNode, false); err != nil {
		return err
	}
	if err := m.early(ctx); err != nil {
		return err
	}
	path, err := findISO(ctx, m.t, m.iso, c.Proxmox.Version)
	if err != nil {
		return err
	}
	base, err := openSource(ctx, m.t, path, m.force)
	if err != nil {
		return err
	}
	defer base.Close()
	program, err := m.preflight(base)
	if err != nil {
		return err
	}
	image, err := imagebuilder.Build(imagebuilder.Request{
		Profile: c.Profile, Probe: true, Base: base.Base, Preflight: program, Builder: version, Serial: m.serial,
	})
	if err != nil {
		return err
	}
	if m.stick != "" {
		return m.toStick(ctx, image)
	}
	return m.toFiles(ctx, c, []string{imagebuilder.NoNode}, []*imagebuilder.Image{image})
}
