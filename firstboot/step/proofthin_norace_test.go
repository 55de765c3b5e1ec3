//go:build !race

package step_test

// proofThin tries every so many-th point of the steps after the cluster.
const proofThin = 16
