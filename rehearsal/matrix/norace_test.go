//go:build !race

package matrix_test

// raced tells that the race detector makes each run ten times as slow.
const raced = false
