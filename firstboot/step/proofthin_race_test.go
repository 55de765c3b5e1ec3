//go:build race

package step_test

// proofThin tries every so many-th point of the steps after the cluster: the
// race detector makes each run ten times as slow.
const proofThin = 150
