package firstboot

import (
	"context"
	"encoding/json"
	"os"

	"ringboot/firstboot/ring"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// ringService makes the keeper of the ring and the service that runs it. In a
// root there is no network of its own to keep, so it only waits there.
func ringService(p *Parts) (Service, error) {
	cfg, err := ring.ConfigOf(p.Profile, p.Node.Name)
	if err != nil {
		return Service{}, err
	}
	id, err := ringIdentity(p)
	if err != nil {
		return Service{}, err
	}
	keeper, err := ring.New(ring.Options{
		Config: cfg, Identity: id, Wires: ring.Sockets{}, Sys: os.DirFS("/sys"), Files: p.Host.Files,
		Kernel: func() (ring.Kernel, error) { return ring.NewKernel(cfg, os.DirFS("/sys")) },
		Remark: func(e trust.Event) { p.Log("ring: " + e.Text) },
	})
	if err != nil {
		return Service{}, err
	}
	p.keeper, p.ringConfig, p.Ring = keeper, cfg, keeper.View
	p.Methods.Handle(trust.MethodRing, func(context.Context, string, json.RawMessage) (any, error) { return keeper.View(), nil })
	run := keeper.Run
	if p.root != "" {
		run = func(ctx context.Context) error { <-ctx.Done(); return nil }
	}
	return Service{Name: "ring keeper", Run: run}, nil
}

// ringIdentity reads what the node proves itself with on the cable.
func ringIdentity(p *Parts) (ring.Identity, error) {
	var texts [3][]byte
	for i, path := range []string{profiles.CAFile, profiles.CertFile, profiles.KeyFile} {
		text, err := p.Host.Files.ReadFile(path)
		if err != nil {
			return ring.Identity{}, err
		}
		texts[i] = text
	}
	id, err := trust.ParseIdentity(texts[0], texts[1], texts[2])
	if err != nil {
		return ring.Identity{}, err
	}
	return ring.Identity{Node: p.Node.Name, ClusterID: id.ClusterID, Leaf: id.Cert.Leaf, CA: id.CA, Key: id.Key}, nil
}
