// Package sim is the one world of tests and rehearsals: nodes with disks that
// lose what was not synced, power that goes, cables between them, and a clock
// that costs nothing. corosync and pmxcfs are part of it, because every tool
// sees the cluster through them; the tools themselves are handed to it (see
// package tools).
//
// A tool is written once, against the interface Machine. Machine has two
// drivers: the node of a World, and the real machine that the command in
// package machine runs on.
//
// It implements no storage, no guest and no cryptography of corosync, and it
// imports nothing of the agent: the tests of the agent adapt its types.
package sim
