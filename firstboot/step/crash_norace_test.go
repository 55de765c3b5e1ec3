//go:build !race

package step_test

// crashRuns is the full number of random combinations.
const crashRuns = 2000

// crashStride is every point.
const crashStride = 1

// crashSample marks the figures of a sample: this is the whole.
const crashSample = ""
