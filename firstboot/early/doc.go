// Package early is what a program needs that the kernel starts first, out of
// an initial file system that is somebody else's: the pseudo file systems, the
// drivers that lie there, a screen and a keyboard, and the way on to the
// program whose place it took.
//
// It decides nothing, and it leaves the initial file system as it found it.
package early
