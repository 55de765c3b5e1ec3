package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"ringboot/imagebuilder"
	"ringboot/imagebuilder/agent"
	"ringboot/imagebuilder/inspect"
	"ringboot/imagebuilder/keyring"
	"ringboot/imagebuilder/output"
	"ringboot/imagebuilder/stick"
)

// making is what the flags of the root command ask for.
type making struct {
	t        *terminal
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
}

func newMake(t *terminal) *cobra.Command {
	m := &making{t: t}
	cmd := &cobra.Command{
		Use:   "mkimage --node NODE | --all",
		Short: "Make the installation image of a node",
		Long: "mkimage makes the installation image of a node from a profile and a stock\n" +
			"Proxmox VE ISO, or writes it straight to a USB stick. The machine that boots it\n" +
			"installs itself, finds its peers and becomes a member of the cluster.\n\n" +
			"The ISO is looked for in the current directory, the downloads folder and the\n" +
			"cache, and downloaded if it is nowhere. It is only read.",
		Example: "  mkimage plan                                  # what would be erased, on which machine\n" +
			"  mkimage --node frege                          # makes philosophers-frege.iso\n" +
			"  mkimage --all --out images/                   # one image per node\n" +
			"  mkimage --node frege --stick /dev/sdb         # writes a stick, no file in between\n" +
			"  mkimage --node frege --root-disk S649NX0R123  # erases the disk of that serial number\n" +
			"  mkimage --node frege --iso practice           # no Proxmox VE: for practising",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() == 0 {
				return usage("nothing to do: mkimage --node NODE, or mkimage plan (mkimage --help)")
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
	f.BoolVar(&m.serial, "serial-console", false, "menu and installer also speak on the first serial port")
	f.BoolVar(&m.dryRun, "dry-run", false, "say what would be done, write nothing")
	f.BoolVar(&m.asJSON, "json", false, "say the result as JSON")
	f.BoolVar(&m.force, "force", false, "overwrite a file that is something else")
	return cmd
}

func (m *making) check(nodes []string) error {
	switch {
	case m.stick != "" && m.out != "":
		return usage("--stick and --out exclude each other")
	case m.stick != "" && len(nodes) > 1:
		return usage("a stick holds one node: --node, not --all")
	case m.stick == "" && len(m.confirm) > 0:
		return usage("--confirm is for --stick")
	}
	return nil
}

func (m *making) run(ctx context.Context) error {
	c, err := loadProfile(m.profile)
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
	base, err := openSource(ctx, m.t, path)
	if err != nil {
		return err
	}
	defer base.Close()
	k, err := c.complete(ctx, m.t)
	if err != nil {
		return err
	}
	if err := describe(m.t.stderr, c, nodes); err != nil {
		return err
	}
	images, err := m.build(c, nodes, base.Base, k, binary)
	if err != nil {
		return err
	}
	if m.stick != "" {
		return m.toStick(ctx, images[0])
	}
	return m.toFiles(ctx, c, nodes, images)
}

// build works out all images before the first one is written.
func (m *making) build(c cluster, nodes []string, base *imagebuilder.Base, k *keyring.Keyring, binary *io.SectionReader) ([]*imagebuilder.Image, error) {
	packed, err := imagebuilder.PackAgent(binary, version, base)
	if err != nil {
		return nil, err
	}
	images := make([]*imagebuilder.Image, len(nodes))
	for i, n := range nodes {
		images[i], err = imagebuilder.Build(imagebuilder.Request{
			Profile: c.Profile, Node: n, Base: base, Keyring: k, Agent: packed, Builder: version, Serial: m.serial,
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
	d, err := stick.Find(ctx, m.stick)
	if err != nil {
		return &exit{exitPrecondition, err}
	}
	return d.Refuse(0, true)
}

// dry says what would be done as far as that is known without writing.
func (m *making) dry(ctx context.Context, c cluster, nodes []string) error {
	if m.stick != "" {
		d, err := stick.Find(ctx, m.stick)
		if err != nil {
			return &exit{exitPrecondition, err}
		}
		if err := d.Refuse(0, len(m.confirm) > 1); err != nil {
			return err
		}
		m.t.say("would erase %s", d.Describe())
	}
	if m.asJSON {
		return planJSON(m.t.stdout, c, nodes)
	}
	return describe(m.t.stdout, c, nodes)
}

// target is the name of a node's image.
func (m *making) target(c cluster, node string, several bool) string {
	name := c.Cluster.Name + "-" + node + ".iso"
	if m.out == "" {
		return name
	}
	if is, err := os.Stat(m.out); several || strings.HasSuffix(m.out, string(filepath.Separator)) || err == nil && is.IsDir() {
		return filepath.Join(m.out, name)
	}
	return m.out
}

// room refuses to overwrite anything but an earlier image of the same node.
func (m *making) room(c cluster, node string, several bool) error {
	if m.stick != "" {
		return nil
	}
	dst := m.target(c, node, several)
	f, err := os.Open(dst)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return err
	}
	if !is.Mode().IsRegular() {
		return &exit{exitRefused, fmt.Errorf("%s is no file; to write a device, use --stick", dst)}
	}
	if m.force {
		return nil
	}
	d, err := inspect.Describe(f, is.Size())
	if err == nil && d.Manifest != nil && d.Manifest.Cluster == c.Cluster.Name && d.Manifest.Node == node {
		return nil
	}
	return &exit{exitRefused, fmt.Errorf("%s is there and is no image of %s: move it away, or overwrite it with --force", dst, node)}
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
		err = &exit{exitPartial, fmt.Errorf("%d of %d images are finished: %w", len(done), len(nodes), err)}
	}
	return errors.Join(err, m.result(done))
}

// writeAll writes the images one after the other; each one is flushed to the disk
// and gets its name while the next is written. It returns those that are finished.
func (m *making) writeAll(ctx context.Context, c cluster, nodes []string, images []*imagebuilder.Image) (done []made, err error) {
	var batch output.Batch
	defer func() { err = errors.Join(err, batch.Close()) }()
	finished, errs := make([]*made, len(nodes)), make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, node := range nodes {
		dst := m.target(c, node, len(nodes) > 1)
		unfinished, err := m.fill(ctx, &batch, dst, images[i])
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

func (m *making) fill(ctx context.Context, batch *output.Batch, dst string, image *imagebuilder.Image) (*output.Unfinished, error) {
	p := m.t.progress("writing " + dst)
	defer p.end()
	return batch.Fill(ctx, dst, image.Patched, output.Options{Replace: true, Progress: p.at})
}

// finish gives an image its name and its manifest.
func finish(ctx context.Context, u *output.Unfinished, dst, node string, image *imagebuilder.Image) (*made, error) {
	if err := u.Finish(ctx); err != nil {
		return nil, err
	}
	beside := strings.TrimSuffix(dst, ".iso") + ".manifest.json"
	if err := writeWhole(beside, image.ManifestText, 0o644); err != nil {
		return nil, err
	}
	return &made{
		Node: node, Path: dst, Bytes: image.Size(), Manifest: beside,
		Plan: image.Manifest.Plan, NodePlan: image.Manifest.NodePlan,
	}, nil
}

func (m *making) result(done []made) error {
	if m.asJSON {
		return writeJSON(m.t.stdout, struct {
			Version int    `json:"version"`
			Images  []made `json:"images"`
		}{1, done})
	}
	for _, one := range done {
		fmt.Fprintln(m.t.stdout, one.Path)
	}
	if m.stick == "" {
		m.t.say("write a stick with: mkimage --node %s --stick DEVICE (mkimage sticks lists them)", done[0].Node)
	}
	return nil
}

// writeJSON writes a value for programs.
func writeJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
