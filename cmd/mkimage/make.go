package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/keyring"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
	"ringboot/profiles/fault"
	"ringboot/profiles/spelling"
)

// making is what the flags of the root command ask for.
type making struct {
	t        *cli.Terminal
	node     string
	all      bool
	profile  string
	iso      string
	out      string
	stick    string
	confirm  []string
	rootDisk string
	serial   bool
	dryRun   bool
	asJSON   bool
	force    bool
	probe    bool // make a medium that only looks
	blind    bool // nothing looks at the machine before the installer
	batch    output.Batch
}

func newMake(t *cli.Terminal) *cobra.Command {
	m := &making{t: t}
	cmd := &cobra.Command{
		Use:   "mkimage --node NODE | --all | --probe",
		Short: "Make the installation image of a node",
		Long: "mkimage makes the installation image of a node from a profile and a stock\n" +
			"Proxmox VE ISO, or writes it straight to a USB stick. The machine that boots it\n" +
			"installs itself, finds its peers and becomes a member of the cluster.\n\n" +
			"The ISO is looked for in the current directory, the downloads folder and the\n" +
			"cache, and downloaded if it is nowhere. It is only read. RINGBOOT_ISO_MIRROR\n" +
			"names a mirror of the vendor's directory; the published checksums hold for it, too.",
		Example: "  mkimage plan                                  # what would be erased, on which machine\n" +
			"  mkimage --node frege                          # makes philosophers-frege.iso\n" +
			"  mkimage --all --out images/                   # one image per node\n" +
			"  mkimage --node frege --stick /dev/sdb         # writes a stick, no file in between\n" +
			"  mkimage --all --stick /dev/sdb                # one stick for all, one machine after the other\n" +
			"  mkimage --node frege --root-disk S649NX0R123  # erases the disk of that serial number\n" +
			"  mkimage --node frege --iso practice           # no Proxmox VE: for practising",
		Args: cli.Words(meant(m)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() == 0 {
				return fault.Usage.Errorf("nothing to do: mkimage --node NODE, or mkimage plan (mkimage --help)")
			}
			if m.probe {
				return m.look(cmd.Context())
			}
			return m.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&m.node, "node", "n", "", "node of the profile")
	f.BoolVar(&m.all, "all", false, "all nodes of the profile")
	f.StringVarP(&m.profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	f.StringVar(&m.iso, "iso", "", "stock ISO, or \"practice\"")
	f.StringVarP(&m.out, "out", "o", "", "image file, or a directory (default ./CLUSTER-NODE.iso)")
	f.StringVar(&m.stick, "stick", "", "write to this device instead of a file")
	f.StringArrayVar(&m.confirm, "confirm", nil, "the device again, instead of being asked; twice for a disk that is built in")
	f.StringVar(&m.rootDisk, "root-disk", "", "serial number of the disk to erase, instead of the profile's")
	f.BoolVar(&m.probe, "probe", false, "a medium that only looks at machines and keeps what it saw")
	f.BoolVar(&m.blind, "without-preflight", false, "leave out what looks at the machine before the installer does")
	f.BoolVar(&m.serial, "serial-console", false, "menu and installer also speak on the first serial port")
	f.BoolVar(&m.dryRun, "dry-run", false, "say what would be done, write nothing")
	f.BoolVar(&m.asJSON, "json", false, "say the result as JSON")
	cli.Complete(cmd, "node", func(context.Context) []string { return nodeNames(t, m.profile) })
	cli.Complete(cmd, "stick", devicePaths)
	cli.Complete(cmd, "confirm", devicePaths)
	f.BoolVar(&m.force, "force", false, "overwrite a file that is something else, and take an ISO whose checksum is not the published one")
	return cmd
}

// meant is the command line of a word that names a node.
func meant(m *making) func(word string) string {
	return func(word string) string {
		if node := spelling.Nearest(word, nodeNames(m.t, m.profile)); node != "" {
			return "mkimage --node " + node
		}
		return ""
	}
}

// nodeNames are the nodes of a profile, of the one that counts when none is named.
func nodeNames(t *cli.Terminal, profile string) []string {
	c, err := loadProfile(t, profile)
	if err != nil {
		return nil
	}
	return c.nodeNames()
}

func (m *making) check(nodes []string) error {
	switch {
	case m.stick != "" && m.out != "":
		return fault.Usage.Errorf("--stick and --out exclude each other")
	case m.stick != "" && len(nodes) > 1 && m.blind:
		return fault.Usage.Errorf("a stick for all nodes is turned into that of a node by preflight: it cannot be without")
	case m.stick == "" && len(m.confirm) > 0:
		return fault.Usage.Errorf("--confirm is for --stick")
	}
	return nil
}

func (m *making) run(ctx context.Context) (err error) {
	c, err := loadProfile(m.t, m.profile)
	if err != nil {
		return err
	}
	nodes, err := c.choose(m.node, m.all, m.rootDisk)
	if err != nil {
		return err
	}
	if err := m.check(nodes); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := m.room(c, n, len(nodes) > 1); err != nil {
			return err
		}
	}
	m.t.Say("%s", whose(c, nodes))
	if m.dryRun {
		return m.dry(ctx, c, nodes)
	}
	if err := m.early(ctx); err != nil {
		return err
	}
	binary, err := agent.Open()
	if err != nil {
		return err
	}
	path, err := findISO(ctx, m.t, m.iso, c.Proxmox.Version)
	if err != nil {
		return err
	}
	base, err := openSource(ctx, m.t, path, m.force)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.batch.Close(), base.Close()) }()
	if m.stick == "" {
		m.batch.Begin(ctx, m.target(c, nodes[0], len(nodes) > 1), base.File(), base.Size, output.Options{Replace: true})
	}
	look, err := m.preflight(base)
	if err != nil {
		return err
	}
	k, err := c.complete(ctx, m.t)
	if err != nil {
		return err
	}
	if err := describe(m.t.Page(m.t.Stderr), c, nodes); err != nil {
		return err
	}
	images, err := m.build(c, nodes, base.Base, k, binary, look)
	if err != nil {
		return err
	}
	if m.stick != "" {
		return m.toStick(ctx, images[0])
	}
	return m.toFiles(ctx, c, nodes, images)
}

// build works out all images before the first one is written.
func (m *making) build(c cluster, nodes []string, base *imagebuilder.Base, k *keyring.Keyring, binary *io.SectionReader, look *imagebuilder.Preflight) ([]*imagebuilder.Image, error) {
	packed, err := imagebuilder.PackAgent(binary, version, base)
	if err != nil {
		return nil, err
	}
	if m.stick != "" && m.all {
		nodes = []string{""} // one medium for all of them
	}
	images := make([]*imagebuilder.Image, len(nodes))
	for i, n := range nodes {
		images[i], err = imagebuilder.Build(imagebuilder.Request{
			Profile: c.Profile, Node: n, Base: base, Keyring: k, Agent: packed, Preflight: look, Builder: version, Serial: m.serial,
		})
		if err != nil {
			return nil, err
		}
	}
	return images, nil
}

// early refuses a stick before anything is downloaded, read or made for it.
func (m *making) early(ctx context.Context) error {
	if m.stick == "" {
		return nil
	}
	d, err := findStick(ctx, m.stick)
	if err != nil {
		return err
	}
	return d.Refuse(0, true)
}

// made is one finished image, as --json says it.
type made struct {
	Node     string `json:"node"`
	Path     string `json:"path"`
	Bytes    int64  `json:"bytes"`
	Manifest string `json:"manifest,omitempty"`
	Plan     string `json:"plan"`
	NodePlan string `json:"node_plan"`
}

func (m *making) toFiles(ctx context.Context, c cluster, nodes []string, images []*imagebuilder.Image) error {
	if m.out != "" && (len(nodes) > 1 || strings.HasSuffix(m.out, string(filepath.Separator))) {
		if err := os.MkdirAll(m.out, 0o755); err != nil {
			return err
		}
	}
	done, err := m.writeAll(ctx, c, nodes, images)
	if err != nil && len(done) == 0 {
		return err
	}
	if err != nil {
		err = fault.Partial.Errorf("%d of %d images are finished: %w", len(done), len(nodes), err)
	}
	return errors.Join(err, m.result(done))
}

// writeAll writes the images one after the other; each one is flushed to the disk
// and gets its name while the next is written. It returns those that are finished.
func (m *making) writeAll(ctx context.Context, c cluster, nodes []string, images []*imagebuilder.Image) (done []made, err error) {
	defer func() { err = errors.Join(err, m.batch.Close()) }()
	finished, errs := make([]*made, len(nodes)), make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, node := range nodes {
		dst := m.target(c, node, len(nodes) > 1)
		unfinished, err := m.fill(ctx, dst, images[i])
		if err != nil {
			errs[i] = err
			break
		}
		wait.Go(func() { finished[i], errs[i] = finish(ctx, unfinished, dst, node, images[i]) })
	}
	wait.Wait()
	for _, one := range finished {
		if one != nil {
			done = append(done, *one)
		}
	}
	return done, errors.Join(errs...)
}

func (m *making) fill(ctx context.Context, dst string, image *imagebuilder.Image) (*output.Unfinished, error) {
	p := m.t.Progress("writing "+dst, stick.Bytes)
	defer p.End()
	return m.batch.Fill(ctx, dst, image.Patched, output.Options{Replace: true, Progress: p.At})
}

// finish gives an image its name and its manifest.
func finish(ctx context.Context, u *output.Unfinished, dst, node string, image *imagebuilder.Image) (*made, error) {
	if err := u.Finish(ctx); err != nil {
		return nil, err
	}
	if err := writeWhole(beside(dst), image.ManifestText, 0o644); err != nil {
		return nil, err
	}
	return &made{
		Node: node, Path: dst, Bytes: image.Size(), Manifest: beside(dst),
		Plan: image.Manifest.Plan, NodePlan: image.Manifest.NodePlan,
	}, nil
}

func (m *making) result(done []made) error {
	if m.asJSON {
		return cli.JSON(m.t.Stdout, struct {
			Version int    `json:"version"`
			Images  []made `json:"images"`
		}{1, done})
	}
	for _, one := range done {
		fmt.Fprintln(m.t.Stdout, one.Path)
	}
	if m.stick == "" {
		m.t.Say("%s", toWrite(runtime.GOOS, done[0]))
	} else {
		m.t.Say("next: the sticks of the other nodes, then boot the machines from them and watch with peers --watch")
	}
	return nil
}

// toWrite says how an image gets onto a stick.
func toWrite(goos string, one made) string {
	if goos == "windows" {
		return "write " + one.Path + " to a stick with Rufus, in DD image mode, or with balenaEtcher"
	}
	return "write a stick with: mkimage --node " + one.Node + " --stick DEVICE (mkimage sticks lists them)"
}
