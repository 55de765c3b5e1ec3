package imagebuilder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"

	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/deb"
	"ringboot/imagebuilder/guard"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/keyring"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles"
)

// Paths of what is added to the medium.
const (
	ModePath   = "/auto-installer-mode.toml"
	AnswerPath = "/answer.toml"
	MenuPath   = "/ringboot.cfg"
)

// menuSeconds is how long the menu waits before it acts by itself, as the
// stock menu does.
const menuSeconds = 10

// ErrWrongRelease says that ISO and profile are about different releases.
var ErrWrongRelease = errors.New("wrong release")

// Request is all that the image of one node is made from.
type Request struct {
	Profile *profiles.Profile // complete, see Complete
	Node    string
	Base    *Base
	Keyring *keyring.Keyring
	Agent   *Agent // its package, made for this Base
	Builder string // version of mkimage and of the agent
	Serial  bool   // menu and installer also speak on the first serial port
}

// Agent is the agent's package, the same bytes for all nodes of a base.
type Agent struct {
	file   file
	binary manifest.Input
}

// PackAgent makes the agent's package of its binary (linux/amd64) for images
// of a base. builder is the version of mkimage and of the agent.
func PackAgent(binary *io.SectionReader, builder string, base *Base) (*Agent, error) {
	f, err := packageFile(deb.Agent(builder, binary, base.Date))
	if err != nil {
		return nil, err
	}
	f.sum = sum(f.Content)
	whole := sha256.New()
	if _, err := io.Copy(whole, io.NewSectionReader(binary, 0, binary.Size())); err != nil {
		return nil, fmt.Errorf("the agent: %w", err)
	}
	return &Agent{file: f, binary: manifest.Input{Name: "agent", Size: binary.Size(), SHA256: hex.EncodeToString(whole.Sum(nil))}}, nil
}

// Image is a finished image as a value.
type Image struct {
	*iso9660.Patched
	Manifest     manifest.Manifest
	ManifestText []byte
}

// Build works out the image. The same request gives the same bytes.
func Build(r Request) (*Image, error) {
	plan, err := r.Profile.PlanHashes(r.Node)
	if err != nil {
		return nil, err
	}
	if r.Base.Release != r.Profile.Proxmox.Version {
		return nil, fmt.Errorf("%w: %s is Proxmox VE %s, the profile wants %s: give the right ISO, or change proxmox.version", ErrWrongRelease, r.Base.Name, r.Base.Release, r.Profile.Proxmox.Version)
	}
	files, err := r.files(plan)
	if err != nil {
		return nil, err
	}
	m := manifest.Manifest{
		Version: manifest.Version, Builder: r.Builder, Cluster: r.Profile.Cluster.Name, Node: r.Node,
		Plan: plan.Cluster, NodePlan: plan.Node,
		Base: manifest.Input{Name: r.Base.Name, Size: r.Base.Size, SHA256: r.Base.SHA256},
	}
	if err := r.inputs(&m); err != nil {
		return nil, err
	}
	// The manifest holds the hashes of the files as they will be read, so
	// they are read: once from an image without the manifest.
	edits := make([]iso9660.Edit, len(files))
	for i, f := range files {
		edits[i] = f.Edit
	}
	if err := listFiles(&m, r.Base.Image, edits, files); err != nil {
		return nil, err
	}
	text, err := m.Encode()
	if err != nil {
		return nil, err
	}
	patched, err := iso9660.Plan(r.Base.Image, append(edits, iso9660.Edit{Path: manifest.Path, Content: text, ModTime: r.Base.Date}))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Base.Name, err)
	}
	return &Image{Patched: patched, Manifest: m, ManifestText: text}, nil
}

// file is an edit and what the manifest says about it.
type file struct {
	iso9660.Edit
	secret, changes bool
	sum             string // of the content, where it is known already
}

func listFiles(m *manifest.Manifest, base *iso9660.Image, edits []iso9660.Edit, files []file) error {
	patched, err := iso9660.Plan(base, edits)
	if err != nil {
		return err
	}
	img, err := iso9660.Open(patched, patched.Size())
	if err != nil {
		return err
	}
	for _, f := range files {
		listed := manifest.File{Path: f.Path, Size: int64(len(f.Content)), SHA256: f.sum, Secret: f.secret, Changes: f.changes}
		if f.sum == "" {
			content, err := img.ReadFile(f.Path, max(int64(len(f.Content)), maxMenu))
			if err != nil {
				return err
			}
			listed.Size, listed.SHA256 = int64(len(content)), sum(content)
		}
		m.Files = append(m.Files, listed)
	}
	return nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func (r Request) inputs(m *manifest.Manifest) error {
	text, err := profiles.Marshal(r.Profile)
	if err != nil {
		return err
	}
	m.Inputs = []manifest.Input{
		{Name: "profile", Size: int64(len(text)), SHA256: sum(text)},
		r.Agent.binary,
	}
	return nil
}

// files makes everything that goes onto the medium but the manifest.
func (r Request) files(plan profiles.Hashes) ([]file, error) {
	n, _ := r.Profile.Node(r.Node)
	secrets, ok := r.Keyring.Nodes[r.Node]
	if !ok {
		return nil, fmt.Errorf("the keyring has nothing for node %s", r.Node)
	}
	toml, err := answer.Write(answer.Request{
		Profile: r.Profile, Node: r.Node, Version: r.Base.Version,
		RootPasswordHash: secrets.RootHash, RootKeys: adminKeys(r.Profile),
	})
	if err != nil {
		return nil, err
	}
	seedPackage, err := r.seed(plan, secrets)
	if err != nil {
		return nil, err
	}
	seed, err := packageFile(seedPackage)
	if err != nil {
		return nil, err
	}
	seed.secret = true
	menu, err := guard.Edit(r.Base.Menu, guard.Options{
		Node: r.Node, Erases: Erases(n.RootDisk), AfterInstall: r.Profile.Install.AfterInstall,
		TicketFile: profiles.TicketFile, MarkFile: profiles.MarkFile, Seconds: menuSeconds, Serial: r.Serial,
	})
	if err != nil {
		return nil, err
	}
	ticket := profiles.Ticket{State: profiles.TicketArmed, Node: r.Node, ClusterID: profiles.ClusterID(r.Keyring.CADER)}
	add := func(path string, content []byte) file {
		return file{Edit: iso9660.Edit{Path: path, Content: content, ModTime: r.Base.Date}}
	}
	answers, spent := add(AnswerPath, toml), add(profiles.TicketFile, ticket.Encode())
	answers.secret, spent.changes = true, true
	// The hook takes the place of the stock menu byte for byte, because the HFS+
	// tree of the medium shares its blocks: every view of the medium agrees.
	hook := add(menuPath, []byte(menuHook))
	hook.Replace, hook.InPlace = true, len(menuHook) <= len(r.Base.Menu)
	return []file{add(ModePath, []byte(answer.ModeFile)), answers, spent, add(MenuPath, []byte(menu)), hook, r.Agent.file, seed}, nil
}

// menuHook is all that is left of the stock menu at its old place. GRUB may
// have come in through a tree that lacks the new files: then it looks for them.
const menuHook = "if [ ! -f " + MenuPath + " ]; then search --no-floppy --set=root --file " + MenuPath + "; fi\nsource " + MenuPath + "\n"

// Erases says in a few words what the installation of a node erases.
func Erases(d profiles.Disk) string {
	switch {
	case d.Serial != "":
		return "disk with serial " + d.Serial
	case d.ByID != "":
		return "disk " + d.ByID
	}
	return "disk " + d.Kernel
}

// adminKeys are the keys that may log in as root: those of users who can become root anyway.
func adminKeys(p *profiles.Profile) []string {
	var out []string
	seen := map[string]bool{}
	for _, u := range p.Users {
		if u.Sudo == "none" {
			continue
		}
		for _, k := range u.Keys {
			if !seen[k] {
				seen[k] = true
				out = append(out, k)
			}
		}
	}
	return out
}

func packageFile(p deb.Package) (file, error) {
	content, err := p.Build()
	if err != nil {
		return file{}, err
	}
	return file{Edit: iso9660.Edit{Path: path.Join(packagesDir, p.FileName()), Content: content, ModTime: p.Time}}, nil
}

// seed makes the package of what only this node gets.
func (r Request) seed(plan profiles.Hashes, secrets keyring.Node) (deb.Package, error) {
	profile, err := profiles.Marshal(r.Profile)
	if err != nil {
		return deb.Package{}, err
	}
	peers, err := peerKeys(r.Keyring)
	if err != nil {
		return deb.Package{}, err
	}
	seed, err := json.MarshalIndent(profiles.Seed{
		Version: 1, Node: r.Node, ClusterID: profiles.ClusterID(r.Keyring.CADER), Plan: plan, Peers: peers, Practice: r.Base.Practice,
	}, "", "  ")
	if err != nil {
		return deb.Package{}, fmt.Errorf("write seed: %w", err)
	}
	return deb.Seed(profiles.SeedDir, r.Node, plan.Cluster, map[string][]byte{
		profiles.SeedFile:    append(seed, '\n'),
		profiles.ProfileFile: profile,
		profiles.CAFile:      r.Keyring.CA,
		profiles.CertFile:    secrets.Cert,
		profiles.KeyFile:     secrets.Key,
	}, r.Base.Date)
}
