package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"ringboot/imagebuilder"
	"ringboot/rehearsal/cable"
)

// seededFaults gives each of three machines another fault. Each must be named
// by the machine itself, in one line: an answer file with a wrong key, a
// package that dpkg cannot unpack, an agent that does not start.
func (d *drilling) seededFaults(ctx context.Context) error {
	nodes := d.o.Profile.Nodes
	if len(nodes) < 3 {
		return fmt.Errorf("this drill needs three machines, the profile has %d", len(nodes))
	}
	key, pkg, agent := nodes[0].Name, nodes[1].Name, nodes[2].Name
	r, err := d.on(ctx, func(o *Options) {
		o.Change = func(node string, request *imagebuilder.Request) error {
			if node != agent {
				return nil
			}
			const fails = "#!/bin/sh\nexit 1\n"
			packed, err := imagebuilder.PackAgent(io.NewSectionReader(strings.NewReader(fails), 0, int64(len(fails))), request.Builder, request.Base)
			request.Agent = packed
			return err
		}
		o.Spoil = func(node, path string) error {
			switch node {
			case key:
				return replace(path, []byte("reboot-mode"), []byte("reboot-mood"))
			case pkg:
				return spoilPackage(path)
			}
			return nil
		}
	})
	if err != nil {
		return err
	}
	if err := r.WaitFailures(ctx, r.Nodes()...); err != nil {
		return err
	}
	said := r.Failures()
	return errors.Join(
		d.expect(said[key], "unknown field `reboot-mood`", key),
		d.expect(said[pkg], "installation of package ringboot_", pkg),
		d.expect(said[agent], "ringboot.service: Failed with result", agent),
	)
}

// deafAndSplit loses multicast DNS, and what corosync's nodes say to each other.
// The agents find each other all the same, by the addresses of the profile; but
// no join can end, and the founder must name the reason. When corosync is heard
// again the trip must end, and be no good because nobody was announced.
func (d *drilling) deafAndSplit(ctx context.Context) error {
	r, err := d.table(ctx, nil)
	if err != nil {
		return err
	}
	r.Lose(func(frame []byte) bool { return cable.IsMDNS(frame) || cable.IsCorosync(frame) })
	if err := r.PowerOnAll(ctx); err != nil {
		return err
	}
	founder := r.Nodes()[0]
	const named = "corosync of"
	if err := r.Wait(ctx, "the reason why nobody joins", func(all []View) bool {
		v := r.view(founder)
		return v.Stage == "cluster" && strings.Contains(v.Waiting, named) && strings.Contains(v.Waiting, "allow UDP 5405") ||
			slices.ContainsFunc(all, func(v View) bool { return v.Past("cluster") })
	}); err != nil {
		return err
	}
	for _, v := range r.Views() {
		if v.Past("cluster") {
			return fmt.Errorf("%s takes the cluster for formed although corosync cannot be heard", v.Node)
		}
	}
	if err := d.expect(r.view(founder).Waiting, named, founder); err != nil {
		return err
	}
	r.Lose(cable.IsMDNS)
	if err := r.Wait(ctx, "the trip after corosync is heard again", AllPast("proof")); err != nil {
		return err
	}
	said := ""
	if err := r.Judge("proof"); err != nil {
		said = err.Error()
	}
	return d.expect(said, "was never heard over multicast DNS", "the judge")
}

// replace replaces the only place of some bytes in an image.
func replace(path string, old, new []byte) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := bytes.Count(content, old); n != 1 {
		return fmt.Errorf("%q stands %d times in %s, not once", old, n, path)
	}
	copy(content[bytes.Index(content, old):], new)
	return os.WriteFile(path, content, 0o600)
}

// spoilPackage damages the last large package of an image, which is the agent's.
func spoilPackage(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const block, enough = 2048, 1 << 20
	last := len(content)
	for at := len(content) / block * block; at >= 0; at -= block {
		if !bytes.HasPrefix(content[at:], []byte("!<arch>\n")) {
			continue
		}
		if last-at > enough {
			for i := range 64 {
				content[at+enough/2+i] ^= 0xff
			}
			return os.WriteFile(path, content, 0o600)
		}
		last = at
	}
	return fmt.Errorf("no large package in %s", path)
}
