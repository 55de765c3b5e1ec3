package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ringboot/firstboot/trust"
)

// newReport fetches the acceptance report from the first node that has one.
func newReport(w *wishes, stdout io.Writer) *cobra.Command {
	form := "html"
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write the acceptance report of the cluster to standard output",
		Example: `  peers report > report.html
  peers report --format json | jq .verdict`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if form != "html" && form != "md" && form != "json" {
				return &exit{exitUsage, fmt.Errorf("--format is html, md or json, not %q", form)}
			}
			return fetchReport(cmd.Context(), *w, form, stdout)
		},
	}
	cmd.Flags().StringVar(&form, "format", form, "html, md or json")
	return cmd
}

func fetchReport(ctx context.Context, w wishes, form string, stdout io.Writer) error {
	c, err := open(w, os.Getenv)
	if err != nil {
		return err
	}
	if c.id == nil {
		return &exit{exitPrecondition, errors.New("the report is handed out over the trusted channel only: run this where the images were made, or name the --keyring")}
	}
	ctx, cancel := context.WithTimeout(ctx, max(w.listen, 20*time.Second))
	defer cancel()
	g, stop, err := gather(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	var last error
	for {
		for _, node := range c.nodes {
			var text string
			if last = g.client.Call(ctx, node, trust.MethodReport, form, &text); last == nil {
				_, err := io.WriteString(stdout, text)
				return err
			}
		}
		select {
		case <-ctx.Done():
			return &exit{exitTimeout, fmt.Errorf("no node handed out a report: %w", last)}
		case <-time.After(time.Second):
		}
	}
}
