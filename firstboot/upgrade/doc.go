// Package upgrade brings nodes to one set of packages: a node by itself before
// it is in a cluster, and a cluster one node after the other.
//
// It never takes two nodes at a time, never skips one, and stops with a
// sentence at the first doubt. It does not move Ceph from one release to
// another, and changes nothing that an owner set.
package upgrade
