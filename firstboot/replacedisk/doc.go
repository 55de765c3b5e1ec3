// Package replacedisk takes one dead disk of Ceph out of a node and a new one
// in: from out to clean.
//
// The new OSD comes before the old one goes: on a cluster with one disk a node
// the third copy has no other place, and Ceph calls an OSD that is down safe to
// destroy only when every placement group is clean. What comes next is decided
// from what is seen, so that it goes on after a power cut; the order holds what
// cannot be seen. It takes no disk that is not blank and named by its serial,
// and nothing away of which Ceph does not say that no data depends on it.
package replacedisk
