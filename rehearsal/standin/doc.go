// Package standin plays the parts of Proxmox VE that Ringboot commands, for
// tests and rehearsals: pvecm, pvesh, pveum, corosync and its tools,
// pve-cluster (pmxcfs) with its .members file and write bits, systemctl.
//
// Each tool is written once, against the interface Machine, and is meant to be
// as unkind as the real one: it returns 0 on failure, takes quorum away after
// addnode, joins by half, waits without end, lists JSON in random order.
// Machine has two drivers. World is a whole cluster in one process on virtual
// time, whose nodes lose power and un-synced writes; the command pvestandin
// (see its package comment) puts the same tools into real machines.
//
// It imitates outputs, codes, delays and states. It implements no storage, no
// guest and no cryptography of corosync, and it imports nothing of the agent:
// the tests of the agent adapt its types.
package standin
