package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
)

// OrderFile is the upgrade that is under way, on the node that was asked for
// it. After a power cut its unit goes on from there.
const OrderFile = "/var/lib/ringboot/upgrade.json"

// LogFile holds what the upgrade said, a line with its time for each thing.
const LogFile = "/var/lib/ringboot/upgrade.log"

// orderVersion is the form of OrderFile.
const orderVersion = 1

// Errand is an upgrade as work that outlives a power cut.
func Errand() errand.Kind {
	return errand.Kind{File: OrderFile, Log: LogFile, Unit: "ringboot-upgrade.service", Version: orderVersion}
}

// Order is an upgrade: what was planned, and how far it is.
type Order struct {
	Version int                     `json:"version"`
	Leader  string                  `json:"leader"`
	Asked   time.Time               `json:"asked"`
	Nodes   []string                `json:"nodes"` // one after the other
	Plan    map[string][]apt.Change `json:"plan"`
	Turns   map[string]*Turn        `json:"turns"`
	Homes   map[string]string       `json:"homes,omitempty"`   // where each managed guest was when the first turn began
	Pause   bool                    `json:"pause,omitempty"`   // stop before the next node
	Stopped string                  `json:"stopped,omitempty"` // why it does not go on
	Ended   time.Time               `json:"ended,omitzero"`
}

// Turn is how far one node is. What is not here is read from the system.
type Turn struct {
	Begun       time.Time `json:"begun,omitzero"`
	Guests      []string  `json:"guests,omitempty"`      // managed guests that ran there
	Maintenance bool      `json:"maintenance,omitempty"` // ours to end
	NoOut       bool      `json:"noout,omitempty"`       // ours to end
	Tries       int       `json:"tries,omitempty"`
	Fresh       string    `json:"fresh,omitempty"` // in which start its sources were read anew
	Boot        string    `json:"boot,omitempty"`  // in which start the packages were whole
	Ended       time.Time `json:"ended,omitzero"`
}

// ReadOrder reads the order; nil and no error where there is none.
func ReadOrder(f host.Files) (*Order, error) { return errand.Read[Order](f, Errand()) }

// Write keeps the order. After a power cut there is the old one or the new one.
func (o *Order) Write(f host.Files) error { return Errand().Write(f, o) }

// live reports whether the order is being carried out.
func (o *Order) live() bool { return o.Stopped == "" && o.Ended.IsZero() }

// Current is the node whose turn it is, "" when all had theirs.
func (o *Order) Current() string {
	for _, n := range o.Nodes {
		if t := o.Turns[n]; t == nil || t.Ended.IsZero() {
			return n
		}
	}
	return ""
}

// restarters are packages that only count after a restart of the node, by the
// beginning of their names.
var restarters = []string{"proxmox-kernel-", "pve-kernel-", "linux-image-", "corosync", "libknet1", "libcfg7", "libcpg4", "libquorum5", "libvotequorum8", "pve-qemu-kvm", "qemu-server", "libc6", "pve-firmware", "intel-microcode", "amd64-microcode"}

// Restarts reports whether the packages of a node ask for a restart.
func (o *Order) Restarts(node string) bool {
	return slices.ContainsFunc(o.Plan[node], func(c apt.Change) bool {
		return c.To != "" && slices.ContainsFunc(restarters, func(r string) bool { return strings.HasPrefix(c.Package, r) })
	})
}

// pins are the versions that a node is to have, by package.
func (o *Order) pins(node string) map[string]string {
	out := map[string]string{}
	for _, c := range o.Plan[node] {
		if c.To != "" {
			out[c.Package] = c.To
		}
	}
	return out
}

// refused says why a plan is none: one set for all, and Ceph stays in its release.
func refused(plan map[string][]apt.Change, nodes []string) error {
	want, who := map[string]string{}, map[string]string{}
	for _, n := range nodes {
		for _, c := range plan[n] {
			major, _, _ := strings.Cut(c.From, ".")
			next, _, _ := strings.Cut(c.To, ".")
			if strings.HasPrefix(c.Package, "ceph-") && c.From != "" && c.To != "" && major != next {
				return fmt.Errorf("%s would bring Ceph from %s to %s on %s: a release of Ceph is changed by its own way, take the other release's source out first", c.Package, c.From, c.To, n)
			}
			if to, ok := want[c.Package]; ok && c.To != "" && to != c.To {
				return fmt.Errorf("%s would get %s %s and %s gets %s: their package sources are not at the same point, wait an hour or compare them", who[c.Package], c.Package, to, n, c.To)
			}
			if c.To != "" {
				want[c.Package], who[c.Package] = c.To, n
			}
		}
	}
	return nil
}

// order puts the leader last.
func order(nodes []string, leader string) []string {
	out := slices.DeleteFunc(slices.Clone(nodes), func(n string) bool { return n == leader })
	if len(out) < len(nodes) {
		out = append(out, leader)
	}
	return out
}
