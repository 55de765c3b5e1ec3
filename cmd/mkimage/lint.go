package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringboot/imagebuilder/answer"
)

func newLint(t *terminal) *cobra.Command {
	var inventory, release string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint ANSWER.toml",
		Short: "Check anyone's answer file for the unattended installer",
		Long: "lint finds what the installer would stop at, and what it would do that was not\n" +
			"meant. With an inventory of the machine it works out which disk and which NIC\n" +
			"the installer would take, as the installer does.",
		Example: "  mkimage lint answer.toml\n" +
			"  mkimage lint --release 8.4 --inventory device-info.json answer.toml",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := answer.ParseVersion(release)
			if err != nil {
				return usage("--release: %w", err)
			}
			text, err := os.ReadFile(args[0])
			if err != nil {
				return &exit{exitPrecondition, err}
			}
			var machine *answer.Inventory
			if inventory != "" {
				raw, err := os.ReadFile(inventory)
				if err != nil {
					return &exit{exitPrecondition, err}
				}
				parsed, err := answer.ParseInventory(raw)
				if err != nil {
					return &exit{exitPrecondition, fmt.Errorf("%s: %w", inventory, err)}
				}
				machine = &parsed
			}
			r := answer.Lint(args[0], text, v, machine)
			if err := showLint(t, r, asJSON); err != nil {
				return err
			}
			if r.Wrong() {
				return &exit{exitUnverified, errors.New("the answer file must be mended")}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&inventory, "inventory", "", "the machine's disks and NICs (firstboot inventory --json, or device-info of the official tool)")
	cmd.Flags().StringVar(&release, "release", "9.2", "release of Proxmox VE that the file is for")
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

func showLint(t *terminal, r answer.Report, asJSON bool) error {
	if asJSON {
		findings := r.Findings
		if findings == nil {
			findings = []answer.Finding{}
		}
		return writeJSON(t.stdout, struct {
			Version  int              `json:"version"`
			Findings []answer.Finding `json:"findings"`
			Disks    []string         `json:"disks,omitempty"`
			NIC      []string         `json:"nic,omitempty"`
		}{1, findings, taken(r.Disks), taken(r.NIC)})
	}
	for _, f := range r.Findings {
		fmt.Fprintln(t.stdout, f)
	}
	for _, d := range taken(r.Disks) {
		fmt.Fprintln(t.stdout, "the installer would erase", d)
	}
	for _, n := range taken(r.NIC) {
		fmt.Fprintln(t.stdout, "the installer would use", n)
	}
	return nil
}

func taken(s *answer.Selection) []string {
	var out []string
	if s != nil {
		for _, d := range s.Taken {
			out = append(out, d.Name)
		}
	}
	return out
}
