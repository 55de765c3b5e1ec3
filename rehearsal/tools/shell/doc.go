// Package shell is what the stand-ins of the tools have in common: how a
// command line is read, what a refusal and a lock say, and the words of the
// release that a machine speaks. It plays no tool.
package shell
