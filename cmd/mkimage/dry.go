package main

import (
	"context"
	"fmt"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/fetch"
)

// dry says what would be done as far as that is known without writing.
func (m *making) dry(ctx context.Context, c cluster, nodes []string) error {
	if m.stick != "" {
		d, err := findStick(ctx, m.stick)
		if err != nil {
			return err
		}
		if err := d.Refuse(0, len(m.confirm) > 1); err != nil {
			return err
		}
		m.t.Warn("would erase %s", d.Describe())
	}
	if err := m.dryISO(ctx, c); err != nil {
		return err
	}
	if err := c.look(ctx, m.t); err != nil {
		return err
	}
	if m.asJSON {
		return planJSON(m.t.Stdout, c, nodes)
	}
	if err := describe(m.t.Page(m.t.Stdout), c, nodes); err != nil {
		return err
	}
	for _, n := range nodes {
		if m.stick == "" {
			m.t.Say("would write %s", m.target(c, n, len(nodes) > 1))
		}
	}
	return nil
}

// dryISO looks at the ISO, if it is here.
func (m *making) dryISO(ctx context.Context, c cluster) error {
	if m.iso == practiceISO {
		m.t.Say("would use the practice ISO, and make it first if the cache has none")
		return nil
	}
	path, err := haveISO(m.iso, c.Proxmox.Version)
	if err != nil {
		return err
	}
	if path == "" {
		m.t.Say("would first download %s: it is not here", fetch.FileName(c.Proxmox.Version))
		return nil
	}
	base, err := openSource(ctx, m.t, path, m.force)
	if err != nil {
		return err
	}
	defer base.Close()
	if base.Release != c.Proxmox.Version && !base.Practice {
		return fmt.Errorf("%w: %s is Proxmox VE %s, the profile wants %s", imagebuilder.ErrWrongRelease, path, base.Release, c.Proxmox.Version)
	}
	m.t.Say("would use %s: Proxmox VE %s", path, base.Release)
	return nil
}
