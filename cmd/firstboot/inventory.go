package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
)

func newInventory(t *terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inventory",
		Short: "Say what this machine is made of",
		Long: `Say what this machine is made of: mainboard, processor, memory, disks, network
ports and Thunderbolt. With --json it is what "mkimage lint --inventory" reads.`,
		Example: "  firstboot inventory\n  firstboot inventory --json > device-info.json",
		Args:    cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			inv := inventory.Read(cmd.Context(), host.New(t.root))
			if asJSON {
				return cli.JSON(t.Stdout, inv)
			}
			printInventory(t.Stdout, inv)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func printInventory(w io.Writer, inv inventory.Inventory) {
	m := inv.Machine
	fmt.Fprintf(w, "machine      %s %s, BIOS %s of %s, %s\n", m.Vendor, m.Product, m.BIOSVersion, m.BIOSDate, m.Firmware)
	fmt.Fprintf(w, "processor    %s, %d threads", inv.CPU.Model, inv.CPU.Threads)
	if inv.CPU.Efficient > 0 {
		fmt.Fprintf(w, " (%d performance, %d efficient)", inv.CPU.Performance, inv.CPU.Efficient)
	}
	fmt.Fprintf(w, "\nmemory       %d MiB\n", inv.MemoryMiB)
	for _, d := range inv.Disks {
		use := strings.Join(d.UsedBy, ", ")
		if use == "" {
			use = "blank"
		}
		wear := ""
		if d.Wear != nil {
			wear = fmt.Sprintf(", %d%% worn", *d.Wear)
		}
		fmt.Fprintf(w, "disk         %s  %s  serial %s  %d GB  %s%s  %s\n", d.Path, d.Model, d.Serial, d.Bytes/1e9, d.Transport, wear, use)
	}
	for _, n := range inv.NICs {
		link := "no link"
		if n.Carrier {
			link = "has a link"
			if n.SpeedMbit > 0 {
				link = fmt.Sprintf("%d Mbit/s", n.SpeedMbit)
			}
		}
		fmt.Fprintf(w, "port         %s  %s  %s  %s  %s\n", n.Name, n.MAC, n.Driver, n.PCI, link)
	}
	for _, t := range inv.Thunderbolt {
		fmt.Fprintf(w, "thunderbolt  %s at %s", t.Generation, t.PCI)
		for _, p := range t.Peers {
			fmt.Fprintf(w, ", linked to %s %s (%d lanes of %s, %s)", p.Vendor, p.Device, p.RxLanes, p.RxSpeed, p.Interface)
		}
		fmt.Fprintln(w)
	}
}
