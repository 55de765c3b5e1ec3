package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// RingReportText is the help of the commands that write about a ring.
const RingReportText = `Write a file about the ring that one can send: machine, firmware, kernel,
controllers, cables, ports, losses, and what the kernel said of Thunderbolt.

Serial numbers, hardware addresses, addresses and names are taken out; the same
one gets the same word everywhere. It is JSON: read it before you send it. It
works without a keeper and on a machine that is in no cluster, as root for the
kernel's log. Nothing is sent by this program.`

// ringReportFile is what a report is called unless somebody says otherwise.
const ringReportFile = "ringboot-ring-report.json"

// WriteRingReport writes one to the file that was named, which must be new.
func (t *Terminal) WriteRingReport(args []string, report any) error {
	name := ringReportFile
	if len(args) > 0 {
		name = args[0]
	}
	var text bytes.Buffer
	if err := JSON(&text, report); err != nil {
		return err
	}
	if name == Standard {
		_, err := t.Stdout.Write(text.Bytes())
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(t.Stdout, "%s: the ring of this machine, without serial numbers, addresses and names; read it before you send it\n", name)
	return nil
}
