package replacedisk

import (
	"fmt"
	"time"

	"ringboot/firstboot/errand"
	"ringboot/firstboot/host"
)

// OrderFile is the replacement that is under way on this node.
const OrderFile = "/var/lib/ringboot/replace-disk.json"

// LogFile holds what the replacement said.
const LogFile = "/var/lib/ringboot/replace-disk.log"

// orderVersion is the form of OrderFile.
const orderVersion = 1

// Errand is a replacement as work that outlives a power cut.
func Errand() errand.Kind {
	return errand.Kind{File: OrderFile, Log: LogFile, Unit: "ringboot-replace-disk.service", Version: orderVersion}
}

// Order is a replacement: what was asked for, and what of it cannot be seen.
type Order struct {
	Version int       `json:"version"`
	Node    string    `json:"node"`
	OSD     int       `json:"osd"`    // that is dead
	Old     string    `json:"old"`    // its disk, as the monitors know it; "" if they do not
	Serial  string    `json:"serial"` // of the new disk
	Asked   time.Time `json:"asked"`
	Out     bool      `json:"out,omitempty"`    // we took it out
	Tries   int       `json:"tries,omitempty"`  // how often an OSD was made on the new disk
	Starts  int       `json:"starts,omitempty"` // how often it was started by us
	New     *int      `json:"new,omitempty"`    // the OSD on the new disk
	Gone    bool      `json:"gone,omitempty"`   // we removed the dead one
	Stopped string    `json:"stopped,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
}

// ReadOrder reads the order; nil and no error where there is none.
func ReadOrder(f host.Files) (*Order, error) { return errand.Read[Order](f, Errand()) }

// Write keeps the order. After a power cut there is the old one or the new one.
func (o *Order) Write(f host.Files) error { return Errand().Write(f, o) }

// Of says what is replaced by what.
func (o *Order) Of() string {
	old := o.Old
	if old == "" {
		old = "a disk that the monitors do not know"
	}
	return fmt.Sprintf("osd.%d of %s (%s) by the disk %s", o.OSD, o.Node, old, o.Serial)
}
