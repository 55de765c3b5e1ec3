// Package rehearsal plays a whole trip in virtual machines: the very images of
// mkimage in three machines that are cabled like the real ones, switched on
// and left alone until they are a cluster; and drills on top of that.
//
// What differs from hardware is listed by Differences and decided in one
// place, Adapt. It reaches no network, changes nothing of the host outside its
// directory, and proves nothing about what the stand-ins play.
package rehearsal
