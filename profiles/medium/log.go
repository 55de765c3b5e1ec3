package medium

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Sizes of the log in bytes.
const (
	slotSize = 16 << 10
	slots    = 64
	LogSize  = slots * slotSize
)

// Layout of a slot: magic, number, length of what follows, its SHA-256. What
// follows is JSON, packed with gzip. All numbers are little-endian.
const (
	slotMagic   = "RBLOG\x001\n"
	slotNumber  = 8
	slotLength  = 16
	slotSum     = 20
	slotContent = slotSum + sha256.Size
)

// maxEntry bounds what an entry unpacks to, in bytes.
const maxEntry = 1 << 20

// What an entry of the log is about.
const (
	Seen  = "seen"  // a machine was looked at
	Began = "began" // from here on a disk of the machine belongs to a node
)

// DiskLabel is a disk by what is printed on it.
type DiskLabel struct {
	Model  string `json:"model"`
	Serial string `json:"serial"`
	WWN    string `json:"wwn,omitempty"`
	Bytes  int64  `json:"bytes"`
}

// Identity is a machine as its firmware describes it.
type Identity struct {
	Vendor  string `json:"vendor,omitempty"`
	Product string `json:"product,omitempty"`
	Serial  string `json:"serial,omitempty"`
	UUID    string `json:"uuid,omitempty"`
	MAC     string `json:"mac,omitempty"` // of its first network port, for machines without a serial number
}

// Same reports whether two descriptions are of one machine. Firmware that gives
// no machine a number of its own is why the MAC is asked as well.
func (m Identity) Same(o Identity) bool {
	return m.Serial == o.Serial && m.UUID == o.UUID && m.MAC == o.MAC && m != (Identity{Vendor: m.Vendor, Product: m.Product})
}

// String is the machine in a few words.
func (m Identity) String() string {
	number := "without a number"
	switch {
	case m.Serial != "":
		number = "serial " + m.Serial
	case m.UUID != "":
		number = "UUID " + m.UUID
	case m.MAC != "":
		number = "MAC " + m.MAC
	}
	if made := strings.TrimSpace(m.Vendor + " " + m.Product); made != "" {
		return made + ", " + number
	}
	return number
}

// Entry is one line of the log.
type Entry struct {
	Number    uint64          `json:"-"`
	What      string          `json:"what"`
	At        string          `json:"at"` // by the machine's clock, which may be wrong
	Node      string          `json:"node,omitempty"`
	Machine   Identity        `json:"machine"`
	Disk      *DiskLabel      `json:"disk,omitempty"`
	Mirror    *DiskLabel      `json:"mirror,omitempty"` // the second one of a mirror
	Inventory json.RawMessage `json:"inventory,omitempty"`
}

// ReadLog returns the entries of the log, the oldest first. A slot that a power
// cut left half written is none.
func (t Table) ReadLog(r io.ReaderAt) ([]Entry, error) {
	all, err := t.Log.Read(r)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for at := 0; at+slotSize <= len(all); at += slotSize {
		if e, err := decodeSlot(all[at : at+slotSize]); err == nil {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return out, nil
}

// Append writes an entry into the slot that is worth least: an empty or
// damaged one, else the oldest of what was only seen, else the oldest.
func (t Table) Append(d Device, e Entry) error {
	all, err := t.Log.Read(d)
	if err != nil {
		return err
	}
	if len(all) < slotSize {
		return fmt.Errorf("the log has no room")
	}
	best, rank := 0, uint64(1<<63)
	for i := range len(all) / slotSize {
		old, err := decodeSlot(all[i*slotSize : (i+1)*slotSize])
		value := old.Number
		switch {
		case err != nil:
			value = 0
		case old.What != Seen:
			value += 1 << 62
		}
		if err == nil && old.Number > e.Number {
			e.Number = old.Number
		}
		if value < rank {
			best, rank = i, value
		}
	}
	e.Number++
	slot, err := encodeSlot(e)
	if err != nil {
		return err
	}
	return Place{t.Log.Off + int64(best)*slotSize, slotSize}.write(d, slot)
}

func encodeSlot(e Entry) ([]byte, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(z).Encode(e); err != nil {
		return nil, fmt.Errorf("log of the medium: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if packed.Len() > slotSize-slotContent {
		if e.Inventory == nil {
			return nil, fmt.Errorf("log of the medium: an entry of %d bytes does not fit", packed.Len())
		}
		e.Inventory = nil // what else it says matters more
		return encodeSlot(e)
	}
	slot := make([]byte, slotSize)
	copy(slot, slotMagic)
	binary.LittleEndian.PutUint64(slot[slotNumber:], e.Number)
	binary.LittleEndian.PutUint32(slot[slotLength:], uint32(packed.Len()))
	copy(slot[slotContent:], packed.Bytes())
	sum := sha256.Sum256(append(slices.Clone(slot[:slotSum]), packed.Bytes()...))
	copy(slot[slotSum:], sum[:])
	return slot, nil
}

func decodeSlot(slot []byte) (Entry, error) {
	var e Entry
	if !bytes.HasPrefix(slot, []byte(slotMagic)) {
		return e, fmt.Errorf("an empty slot")
	}
	n := binary.LittleEndian.Uint32(slot[slotLength:])
	if n > uint32(len(slot)-slotContent) {
		return e, fmt.Errorf("a damaged slot")
	}
	content := slot[slotContent : slotContent+n]
	if sum := sha256.Sum256(append(slices.Clone(slot[:slotSum]), content...)); !bytes.Equal(sum[:], slot[slotSum:slotContent]) {
		return e, fmt.Errorf("a damaged slot")
	}
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return e, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxEntry))
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, err
	}
	e.Number = binary.LittleEndian.Uint64(slot[slotNumber:])
	return e, nil
}
