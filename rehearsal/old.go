package rehearsal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ringboot/profiles/fault"
	"ringboot/rehearsal/qemu"
)

// Old says what becomes of the machines that an earlier rehearsal left in the
// same directory: their disks are what makes them machines.
type Old int

// Ways with old machines.
const (
	Refuse  Old = iota // leave them alone, and do not begin
	Replace            // remove them, and begin with blank ones
	Resume             // go on with their disks, sticks and firmware
)

// ErrOld says that the directory holds machines of an earlier rehearsal.
var ErrOld = fault.Refused.New("machines of an earlier rehearsal are there")

// settle makes room for new machines, or says why it does not. Nothing is
// touched that no rehearsal of these machines has made.
func (o Old) settle(p paths, machines []Hardware) error {
	if o == Resume {
		return nil
	}
	var large, small []string
	for _, m := range machines {
		large = append(large, p.image(m.Node))
		for i := range m.Disks {
			large = append(large, p.disk(m.Node, i))
		}
		for _, name := range qemu.Files {
			small = append(small, filepath.Join(p.node(m.Node), name))
		}
	}
	if o == Refuse && slices.ContainsFunc(large, exists) {
		return fmt.Errorf("%w: %s", ErrOld, p)
	}
	if o == Replace {
		small = append(small, p.keyring())
	}
	for _, path := range append(large, small...) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
