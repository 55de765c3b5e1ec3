package containers

// StartWithin is Start with another limit.
var StartWithin = start
