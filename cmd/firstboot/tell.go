package main

import (
	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
)

func newTell(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "tell",
		Short:   "Send what the keeper asks to be told, once, through Proxmox VE's notifications",
		Example: "  systemctl start ringboot-tell      # the unit that calls firstboot tell",
		Args:    cli.None(),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return firstboot.TellRoot(cmd.Context(), firstboot.Options{Version: version, Root: t.root})
		},
	}
}

func newFeel(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "feel",
		Short:   "Tell the keeper whether the cluster's file system answers",
		Example: "  systemctl start ringboot-feel      # the unit that calls firstboot feel",
		Args:    cli.None(),
		Hidden:  true,
		RunE:    func(cmd *cobra.Command, _ []string) error { return firstboot.Feel(cmd.Context(), t.root) },
	}
}

func newObey(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "obey",
		Short:   "Call the builder back if root on another node needs it, and its order counts",
		Example: "  systemctl start ringboot-order      # the unit that calls firstboot obey",
		Args:    cli.None(),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := &lines{to: t.Stderr}
			return firstboot.Obey(cmd.Context(), firstboot.Options{Version: version, Root: t.root, Log: out.line})
		},
	}
}
