package main

import (
	"bytes"
	"errors"
	"fmt"
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

// ringReportFile is what a report is called unless somebody says otherwise.
const ringReportFile = "ringboot-ring-report.json"

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
		Use:   "report [FILE]",
		Short: "Write a file about the ring that one can send",
		Long: `Write a file about the ring that one can send: machine, firmware, kernel,
controllers, cables, ports, losses, and what the kernel said of Thunderbolt.

Serial numbers, hardware addresses, addresses and names are taken out; the same
one gets the same word everywhere. It is JSON: read it before you send it. It
works without an agent and on a machine that is in no cluster, as root for the
kernel's log. Nothing is sent by this program.`,
		Example: "  firstboot ring report\n  firstboot ring report - | jq .ports",
		Args:    cli.AtMostOne("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ringReportFile
			if len(args) > 0 {
				name = args[0]
			}
			r, err := ringRequest(cmd, t)
			if err != nil {
				return err
			}
			var text bytes.Buffer
			if err := cli.JSON(&text, ringreport.Make(cmd.Context(), r)); err != nil {
				return err
			}
			if name == "-" {
				_, err := t.Stdout.Write(text.Bytes())
				return err
			}
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return err
			}
			_, err = f.Write(text.Bytes())
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			fmt.Fprintf(t.Stdout, "%s: the ring of this machine, without serial numbers, addresses and names; read it before you send it\n", name)
			return nil
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
