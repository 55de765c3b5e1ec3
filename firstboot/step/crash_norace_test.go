//go:build !race

package step_test

// crashRuns is the full number of random combinations.
const crashRuns = 2000

// crashStride is every point.
const crashStride = 1
