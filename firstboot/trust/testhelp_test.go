package trust

import "crypto/x509"

// nameOnly takes the DNS name away, so that only the CN claims to be the node.
func nameOnly(c *x509.Certificate) { c.DNSNames = nil }

// mixed is an attacker who knows the cluster's CA certificate but holds a
// certificate of another one.
func mixed(attacker, cluster *Identity) *Identity {
	attacker.Roots, attacker.CA = cluster.Roots, cluster.CA
	return attacker
}
