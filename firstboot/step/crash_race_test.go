//go:build race

package step_test

// crashRuns under the race detector, which makes each run ten times as slow.
const crashRuns = 40

// crashStride leaves points out under the race detector.
const crashStride = 97

// crashSample marks the figures of a sample.
const crashSample = "_sample"
