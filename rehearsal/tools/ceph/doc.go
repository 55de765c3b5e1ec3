// Package ceph plays Ceph for the stand-ins of package tools: its monitors with
// what they agree on, managers, OSDs and pools, and the tools ceph, ceph-volume,
// rbd, rados, pveceph, pvesm, lsblk, sgdisk, partx, wipefs and dpkg as far as they have to do with it.
//
// What the monitors agree on lies on each monitor's node; whoever is not reached
// on Ceph's public network is down. Of an image it keeps the blocks that were
// written and nothing else: no object is placed anywhere.
package ceph
