package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/answer"
	"ringboot/profiles/fault"
)

func newLint(t *cli.Terminal) *cobra.Command {
	var inventory, release, format string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint ANSWER.toml",
		Short: "Check anyone's answer file for the unattended installer",
		Long: "lint finds what the installer would stop at, and what it would do that was not\n" +
			"meant. With an inventory of the machine it works out which disk and which NIC\n" +
			"the installer would take, as the installer does.",
		Example: "  mkimage lint answer.toml\n" +
			"  mkimage lint --release 9.1 --inventory device-info.json answer.toml\n" +
			"  mkimage lint --format github answer.toml",
		Args: cli.One("ANSWER.toml"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "github"}, format) {
				return fault.Usage.Errorf("--format is text, json or github, not %q", format)
			}
			v, err := answer.ParseVersion(release)
			if err != nil {
				return fault.Usage.Errorf("--release: %w", err)
			}
			text, err := t.ReadFile(args[0])
			if err != nil {
				return err
			}
			machine, err := readInventory(t, inventory)
			if err != nil {
				return err
			}
			r := answer.Lint(args[0], text, v, machine)
			if asJSON {
				format = "json"
			}
			if err := showLint(t, r, format); err != nil {
				return err
			}
			if r.Wrong() {
				return fault.Unverified.New("the answer file must be mended")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&inventory, "inventory", "", "the machine's disks and NICs (firstboot inventory --json, or device-info of the official tool)")
	cmd.Flags().StringVar(&release, "release", "9.2", "release of Proxmox VE that the file is for")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, or github: annotations for a workflow there")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	return cmd
}

// readInventory reads an inventory of a machine; without a file there is none.
func readInventory(t *cli.Terminal, file string) (*answer.Inventory, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := t.ReadFile(file)
	if err != nil {
		return nil, err
	}
	machine, err := answer.ParseInventory(raw)
	if err != nil {
		return nil, fault.Precondition.Errorf("%s: %w", file, err)
	}
	return &machine, nil
}

// annotation is a finding as a workflow of GitHub shows it beside its line. Percent
// signs and line breaks have codes there; in the properties, commas and colons too.
func annotation(f answer.Finding) string {
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	kind := map[answer.Severity]string{answer.Wrong: "error", answer.Risky: "warning", answer.Note: "notice"}[f.Severity]
	where := "file=" + property.Replace(f.File)
	if f.Line > 0 {
		where += fmt.Sprintf(",line=%d,col=%d", f.Line, f.Col)
	}
	return fmt.Sprintf("::%s %s::%s", kind, where, text.Replace(strings.TrimSpace(f.Path+" "+f.Text)))
}

func showLint(t *cli.Terminal, r answer.Report, format string) error {
	switch format {
	case "github":
		for _, f := range r.Findings {
			fmt.Fprintln(t.Stdout, annotation(f))
		}
		return nil
	case "json":
		findings := r.Findings
		if findings == nil {
			findings = []answer.Finding{}
		}
		return cli.JSON(t.Stdout, struct {
			Version  int              `json:"version"`
			Findings []answer.Finding `json:"findings"`
			Disks    []string         `json:"disks,omitempty"`
			NIC      []string         `json:"nic,omitempty"`
		}{1, findings, taken(r.Disks), taken(r.NIC)})
	}
	for _, f := range r.Findings {
		fmt.Fprintln(t.Stdout, f)
	}
	for _, d := range taken(r.Disks) {
		fmt.Fprintln(t.Stdout, "the installer would erase", d)
	}
	for _, n := range taken(r.NIC) {
		fmt.Fprintln(t.Stdout, "the installer would use", n)
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
