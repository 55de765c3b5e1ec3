package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/docs"
	"ringboot/profiles/fault"
)

// newExplain looks a sentence up. It asks no node.
func newExplain(t *cli.Terminal) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "explain SENTENCE...",
		Short:   "Say what a sentence means with which a machine waits, and what to do",
		Example: "  peers explain \"the ring is not proven\"\n  peers --json | jq -r .verdict | xargs -0 peers explain",
		Args: func(_ *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, " ")) == "" {
				return fault.Usage.New("which sentence? peers explain \"what the machine says\"")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			found := docs.Explain(strings.Join(args, " "))
			if asJSON {
				return cli.JSON(t.Stdout, explained(found))
			}
			if len(found) == 0 {
				return fault.Precondition.New("no entry explains that: give the sentence as the machine says it, or read docs/troubleshooting.md")
			}
			w := t.Page(t.Stdout)
			for i, e := range found {
				if i > 0 {
					fmt.Fprintln(w)
				}
				w.Row(cli.Bold, e.Section+": ", e.Sentence)
				w.Row("", "  ", strings.ReplaceAll(e.Remedy, `\|`, "|"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// entry is one explanation, as --json says it.
type entry struct {
	Section  string `json:"section"`
	Sentence string `json:"sentence"`
	Remedy   string `json:"remedy"`
}

func explained(found []docs.Entry) any {
	all := []entry{}
	for _, e := range found {
		all = append(all, entry(e))
	}
	return struct {
		Version int     `json:"version"`
		Entries []entry `json:"entries"`
	}{1, all}
}
