package keeper

import (
	"os"

	"ringboot/discovery/grant"
	"ringboot/firstboot/host"
	"ringboot/firstboot/ring"
	"ringboot/firstboot/ring/layout"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
	"ringboot/profiles"
)

// RingOptions are what the ring of one node is kept with.
type RingOptions struct {
	Profile  *profiles.Profile
	Node     string
	Identity *trust.Identity
	Book     *bindings.Book // nil where nobody keeps one
	Files    host.Files
	State    string // file of what is remembered between starts; "": the builder's
	Log      func(text string)
}

// NewRing makes what keeps the ring of this node, and what it goes by.
func NewRing(o RingOptions) (*ring.Keeper, layout.Config, error) {
	cfg, err := layout.ConfigOf(o.Profile, o.Node)
	if err != nil {
		return nil, cfg, err
	}
	id := ring.Identity{Node: o.Node, ClusterID: o.Identity.ClusterID, Leaf: o.Identity.Voucher(), Own: o.Identity.Word, CA: o.Identity.CA, Key: o.Identity.Key, Grant: o.Identity.Grants[grant.Ring]}
	if o.Book != nil {
		id.Bound = o.Book.Counts
	}
	k, err := ring.New(ring.Options{
		Config: cfg, Identity: id, Wires: ring.Sockets{}, Sys: os.DirFS("/sys"), Files: o.Files, State: o.State,
		Kernel: func() (ring.Kernel, error) { return ring.NewKernel(cfg, os.DirFS("/sys")) },
		Remark: func(e status.Event) { o.Log("ring: " + e.Text) },
	})
	return k, cfg, err
}
