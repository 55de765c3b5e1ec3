// Package layout is what the ring of a node should look like: its part of the
// profile, the addresses, routes and settings that follow from it and from what
// the probes say, what of them the kernel lacks, and the files that keep the
// ring while no agent runs.
//
// It is pure: it reads no kernel and changes none.
package layout
