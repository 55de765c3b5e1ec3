// Package ring keeps the network of cables between the three nodes: it finds
// the two ports, gives them their names, addresses and routes, learns from a
// signed hello who is at the other end of each cable, probes each link, and
// sends traffic round the other way when one dies.
//
// What should be is said by layout; what is wrong (verdict.go) and when to act
// (link.go, repair.go) are pure functions and state machines that are handed
// the time. The keeper is the only goroutine that owns them. Kernel state is
// read as a whole and compared: an event of the kernel is a reason to look,
// never a fact.
//
// The package will not unload a module, unbind a driver or reset a controller:
// a Thunderbolt port that is treated so may need a hand at the cable to return.
// It forms no cluster and asks nothing over the trusted channel.
package ring
