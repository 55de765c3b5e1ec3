package profiles

import (
	"cmp"
	"net/netip"
)

// Words for the two networks of a profile.
const (
	NetworkRing = "ring" // of cables, or of the switch
	NetworkLAN  = "lan"  // that of management
)

// Prefix is the network that a word means; the ring's where nothing is said.
func (p *Profile) Prefix(word string) netip.Prefix {
	if word == NetworkLAN {
		return p.Management.Prefix.Masked()
	}
	return p.Ring.Prefix.Masked()
}

// CephNetworks are the words for where clients reach monitors and OSDs, and where
// OSDs make copies.
func (p *Profile) CephNetworks() (public, cluster string) {
	return cmp.Or(p.Ceph.PublicNetwork, p.Ceph.Network, NetworkRing), cmp.Or(p.Ceph.ClusterNetwork, NetworkRing)
}

// namedNetworks are the keys that name one of them.
func (p *Profile) namedNetworks() map[string]*string {
	return map[string]*string{"ceph.public_network": &p.Ceph.PublicNetwork, "ceph.cluster_network": &p.Ceph.ClusterNetwork, "ha.migration_network": &p.HA.MigrationNetwork}
}

// wordNetworks turns a network that is written as such into its word.
func (p *Profile) wordNetworks(written func(path string) bool) {
	for _, at := range p.namedNetworks() {
		if q, err := netip.ParsePrefix(*at); err == nil {
			for _, word := range []string{NetworkLAN, NetworkRing} {
				if q.Masked() == p.Prefix(word) {
					*at = word
				}
			}
		}
	}
	if !written("ceph.network") && p.Ceph.PublicNetwork != "" {
		p.Ceph.Network = p.Ceph.PublicNetwork
	}
}

// storageNetworks refuses networks that the nodes do not have, and a Ceph that
// does without the one that is for it.
func (c *checker) storageNetworks() {
	p := c.p
	for path, at := range p.namedNetworks() {
		if word := *at; word != "" && word != NetworkRing && word != NetworkLAN && !c.Broken(path) {
			c.At(path, "%s is no network of this profile; write ring (%s) or lan (%s)", word, p.Prefix(NetworkRing), p.Prefix(NetworkLAN))
		}
	}
	switch public, cluster := p.CephNetworks(); {
	case p.Ceph.PublicNetwork != "" && p.Prefix(p.Ceph.Network) != p.Prefix(p.Ceph.PublicNetwork):
		c.At("ceph.public_network", "is %s, and ceph.network, an older word for it, %s; take ceph.network out", p.Ceph.PublicNetwork, p.Ceph.Network)
	case p.Ceph.Enabled && p.Transport().Shape.Apart() && public == NetworkLAN && cluster == NetworkLAN:
		c.At("ceph.cluster_network", "leaves all of Ceph to the management network, and the ring to nobody; write ring, or ring.transport: %s", TransportNone)
	}
}

// NetworkTitle names a network for people.
func (p *Profile) NetworkTitle(word string) string {
	if word == NetworkLAN || !p.Transport().Shape.Apart() {
		return "the management network"
	}
	return "the ring"
}
