package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/firstboot"
	"ringboot/firstboot/host"
	"ringboot/firstboot/ringreport"
	"ringboot/firstboot/status"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

func newRing(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ring",
		Short:   "Write down what this machine's ring is made of and how it runs",
		Example: "  firstboot ring report",
		Args:    cli.None(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRingReport(t))
	return cmd
}

func newRingReport(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "report [FILE]",
		Short:   "Write a file about the ring that one can send",
		Long:    cli.RingReportText,
		Example: "  firstboot ring report\n  firstboot ring report - | jq .ports",
		Args:    cli.AtMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := ringRequest(cmd, t)
			if err != nil {
				return err
			}
			return t.WriteRingReport(args, ringreport.Make(cmd.Context(), r))
		},
	}
}

// ringRequest gathers what this machine knows, as far as it does.
func ringRequest(cmd *cobra.Command, t *terminal) (ringreport.Request, error) {
	r := ringreport.Request{Agent: version, Host: host.New(t.root), Sys: os.DirFS(filepath.Join("/", t.root, "sys"))}
	text, err := r.Host.Files.ReadFile(profiles.ProfileFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	if err == nil {
		if r.Profile, err = profiles.Load(profiles.ProfileFile, text); err != nil {
			return r, err
		}
	}
	r.Status, _ = firstboot.LastStatus(firstboot.Options{Version: version, Root: t.root})
	r.Node = r.Status.Node
	var s status.Status
	if firstboot.AskEither(cmd.Context(), t.root, trust.MethodStatus, nil, &s) == nil {
		r.Status, r.Node = s, s.Node
	}
	var view status.RingView
	if firstboot.AskEither(cmd.Context(), t.root, trust.MethodRing, nil, &view) == nil {
		r.Ring = &view
	}
	return r, nil
}
