package main

import (
	"errors"
	"net/netip"

	"github.com/spf13/cobra"

	"ringboot/firstboot/management"
	"ringboot/profiles/fault"
)

func newProbePort(t *terminal) *cobra.Command {
	var tag int
	cmd := &cobra.Command{
		Use:     "probe-port PORT GATEWAY",
		Short:   "Ask on one network port alone who has the gateway's address",
		Long:    "Ask on one network port alone who has the gateway's address.\nThe exit code is 0 when it answers there, and 5 when it does not.",
		Example: "  firstboot probe-port enp88s0 10.203.3.1",
		Args:    cobra.ExactArgs(2),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := netip.ParseAddr(args[1])
			if err != nil || !gateway.Is4() {
				return fault.Usage.Errorf("%q is no IPv4 address", args[1])
			}
			err = management.ProbePort(cmd.Context(), args[0], gateway, tag)
			if errors.Is(err, management.ErrNoGateway) {
				return fault.Unverified.Wrap(err)
			}
			return err
		},
	}
	cmd.Flags().IntVar(&tag, "vlan", 0, "tag of the VLAN in which the gateway is; 0: untagged")
	return cmd
}
