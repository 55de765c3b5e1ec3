// Command preflight is the first program on a machine that boots an
// installation medium: it looks before the installer does.
//
// It is a program of its own and not a role of firstboot, because GRUB reads
// it from the stick through the firmware at every start, a few megabytes a
// second: it is a quarter of the agent's size, and has neither commands nor a
// network.
package main
