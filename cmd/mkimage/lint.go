package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/learn"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

func newLint(t *cli.Terminal) *cobra.Command {
	var release, format string
	var inventories []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint ANSWER.toml",
		Short: "Check anyone's answer file for the unattended installer",
		Long: "lint finds what the installer would stop at, and what it would do that was not\n" +
			"meant. With an inventory of a machine, or of several, it works out which disk\n" +
			"and which NIC the installer would take on each, as the installer does.",
		Example: "  mkimage lint answer.toml\n" +
			"  mkimage lint --release 9.1 --inventory device-info.json answer.toml\n" +
			"  mkimage lint --inventory /dev/sdb answer.toml   # every machine that a stick saw\n" +
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
			seen, err := learn.Inventories(inventories, t.ReadFile)
			if err != nil {
				return err
			}
			r, machines := learn.Lint(args[0], text, v, seen)
			if asJSON {
				format = "json"
			}
			if err := showLint(t, r, machines, format); err != nil {
				return err
			}
			if r.Wrong() {
				return fault.Unverified.New("the answer file must be mended")
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&inventories, "inventory", nil, "a machine's disks and NICs (firstboot inventory --json, or device-info of the official tool), or a stick that was started on machines; may be repeated")
	cmd.Flags().StringVar(&release, "release", newestRelease(), "release of Proxmox VE that the file is for")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, or github: annotations for a workflow there")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	return cmd
}

// newestRelease is the one that an answer file is most likely for.
func newestRelease() string {
	all := profiles.Releases()
	return all[len(all)-1].Name
}

// readInventory reads an inventory of a machine.
func readInventory(t *cli.Terminal, file string) (*answer.Inventory, error) {
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

func showLint(t *cli.Terminal, r answer.Report, machines []learn.Report, format string) error {
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
		return cli.JSON(t.Stdout, lintJSON(findings, machines))
	}
	for _, f := range r.Findings {
		fmt.Fprintln(t.Stdout, f)
	}
	for _, m := range machines {
		on := ""
		if m.Name != "" {
			on = " on " + m.Name
		}
		for _, d := range taken(m.Disks) {
			fmt.Fprintln(t.Stdout, "the installer would erase", d+on)
		}
		for _, n := range taken(m.NIC) {
			fmt.Fprintln(t.Stdout, "the installer would use", n+on)
		}
	}
	return nil
}

// choice is what the installer would take of one machine.
type choice struct {
	Machine string   `json:"machine,omitempty"`
	Disks   []string `json:"disks,omitempty"`
	NIC     []string `json:"nic,omitempty"`
}

// lintJSON has the choice of the only machine beside the findings, and those of
// several by their names.
func lintJSON(findings []answer.Finding, machines []learn.Report) any {
	out := struct {
		Version  int              `json:"version"`
		Findings []answer.Finding `json:"findings"`
		choice
		Machines []choice `json:"machines,omitempty"`
	}{Version: 1, Findings: findings}
	for _, m := range machines {
		out.Machines = append(out.Machines, choice{m.Name, taken(m.Disks), taken(m.NIC)})
	}
	if len(out.Machines) == 1 {
		out.choice, out.Machines = out.Machines[0], nil
	}
	return out
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
