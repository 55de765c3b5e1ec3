package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// newReport fetches the acceptance report from the first node that has one.
func newReport(w *wishes, t *cli.Terminal) *cobra.Command {
	form := "html"
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write the acceptance report of the cluster to standard output",
		Example: `  peers report > report.html
  peers report --format json | jq .verdict`,
		Args: cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form != "html" && form != "md" && form != "json" {
				return fault.Usage.Errorf("--format is html, md or json, not %q", form)
			}
			return fetchReport(cmd.Context(), *w, form, t.Stdout)
		},
	}
	cmd.Flags().StringVar(&form, "format", form, "html, md or json")
	return cmd
}

func fetchReport(ctx context.Context, w wishes, form string, stdout io.Writer) error {
	ctx, g, stop, err := trusted(ctx, w, "the report is handed out over the trusted channel only: run this where the images were made, or name the --keyring")
	if err != nil {
		return err
	}
	defer stop()
	var last error
	for {
		for _, node := range g.c.nodes {
			var text string
			if last = g.client.Call(ctx, node, trust.MethodReport, form, &text); last == nil {
				_, err := io.WriteString(stdout, text)
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fault.Timeout.Errorf("no node handed out a report (the last: %w): peers shows who is there and whether the acceptance is over; without multicast between here and there, give --profile", last)
		case <-time.After(time.Second):
		}
	}
}
