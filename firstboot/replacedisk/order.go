package replacedisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
)

// OrderFile is the replacement that is under way on this node.
const OrderFile = "/var/lib/ringboot/replace-disk.json"

// orderVersion is the form of OrderFile. An older one is read, a newer one refused.
const orderVersion = 1

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
func ReadOrder(f host.Files) (*Order, error) {
	text, err := f.ReadFile(OrderFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var o Order
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): remove it and ask anew", OrderFile, err)
	}
	if err := host.Newer(OrderFile, o.Version, orderVersion); err != nil {
		return nil, err
	}
	return &o, nil
}

// Write keeps the order. After a power cut there is the old one or the new one.
func (o *Order) Write(f host.Files) error {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	return f.WriteFile(OrderFile, append(text, '\n'), 0o600)
}

// Of says what is replaced by what.
func (o *Order) Of() string {
	old := o.Old
	if old == "" {
		old = "a disk that the monitors do not know"
	}
	return fmt.Sprintf("osd.%d of %s (%s) by the disk %s", o.OSD, o.Node, old, o.Serial)
}
