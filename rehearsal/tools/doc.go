// Package tools plays the tools of Proxmox VE and Debian that Ringboot
// commands, as functions of the machine that they run on: pvecm, pvesh, pveum,
// pveceph, ceph, ha-manager, qm, corosync's tools, systemctl.
//
// Each is meant to be as unkind as the real one: it returns 0 on failure, takes
// quorum away after addnode, joins by half, waits without end, lists JSON in
// random order. What was recorded of the real ones (testdata) is run against
// them line by line. They imitate outputs, codes, delays and states, and store
// no data.
package tools
