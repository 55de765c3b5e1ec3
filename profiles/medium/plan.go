// Package medium is what an installation medium carries for the program that
// looks at the machine before the installer does: the plan that rides in the
// initial file system, the places of a fixed size that are written again during
// the medium's life, the log of what was seen and begun, and the ticket that says
// whether it may install by itself, and marks the disk on which it did.
//
// mkimage writes all of it, preflight and the agent write in its places. The
// package reads and writes what it is handed and opens nothing.
package medium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"ringboot/profiles"
)

// Kinds of a medium.
const (
	KindOne   = "one"   // installs one node
	KindAll   = "all"   // installs every node, one after the other
	KindProbe = "probe" // only looks
)

// PlanVersion is the format of the plan. A reader refuses any other.
const PlanVersion = 1

// PlanFile is the name under which the plan rides.
const PlanFile = "plan.json"

// Again is the word of the kernel's command line by which the menu says that a
// person chose to install once more. Words that begin so do not get into the
// installed system.
const Again = "proxmox-ringboot-again"

// Plan is what the program must know. It holds no secret.
type Plan struct {
	Version   int      `json:"version"`
	Kind      string   `json:"kind"`
	Image     string   `json:"image"` // the same in the table of places of the medium that it belongs to
	Cluster   string   `json:"cluster"`
	ClusterID string   `json:"cluster_id"`
	Nodes     []Target `json:"nodes"` // KindOne: all nodes as well, to know the others' machines
	Node      string   `json:"node"`  // KindOne: the node that is installed
	After     string   `json:"after"` // reboot | power-off
}

// Target is what is known of a node's machine and of the disks to erase.
type Target struct {
	Name    string            `json:"name"`
	Machine profiles.DMI      `json:"machine"`
	MACs    []string          `json:"macs"`
	Root    profiles.DiskName `json:"root"`
	Mirror  profiles.DiskName `json:"mirror,omitzero"` // the second disk to erase, of a mirror
	// AtLeast is how large the disk must be, in bytes, where the plan wants more of
	// it than the system needs.
	AtLeast int64 `json:"at_least,omitempty"`
	// Others are disks of this machine that are not erased: for Ceph.
	Others []profiles.DiskName `json:"others"`
	// Filter is what the answer on the medium says of the disk, by property: the
	// installer's patterns. Nil where the answer waits for a disk to be chosen.
	Filter map[string]string `json:"filter"`
	List   []string          `json:"list"` // names in the answer, instead of a filter
	// Match is how several properties of a filter count: any or all.
	Match string `json:"match"`
	// Single: the installer takes the first disk that fits, not all of them.
	Single bool `json:"single"`
}

// Find returns the node of that name.
func (p Plan) Find(name string) (Target, bool) {
	for _, n := range p.Nodes {
		if n.Name == name {
			return n, true
		}
	}
	return Target{}, false
}

// Encode gives the plan as it rides: the same bytes for the same plan.
func (p Plan) Encode() ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("plan of the medium: %w", err)
	}
	return append(b, '\n'), nil
}

// ParsePlan reads a plan strictly.
func ParsePlan(text []byte) (Plan, error) {
	var p Plan
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("plan of the medium: %w", err)
	}
	if p.Version != PlanVersion {
		return p, fmt.Errorf("plan of the medium: version %d instead of %d", p.Version, PlanVersion)
	}
	switch p.Kind {
	case KindOne:
		if _, ok := p.Find(p.Node); !ok {
			return p, fmt.Errorf("plan of the medium: node %q is not in it", p.Node)
		}
	case KindAll:
		if len(p.Nodes) == 0 {
			return p, errors.New("plan of the medium: it has no nodes")
		}
	case KindProbe:
	default:
		return p, fmt.Errorf("plan of the medium: kind %q is not known", p.Kind)
	}
	return p, nil
}
