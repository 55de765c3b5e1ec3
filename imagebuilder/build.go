package imagebuilder

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"

	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/deb"
	"ringboot/imagebuilder/guard"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/keyring"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/medium"
)

// Paths of what is added to the medium.
const (
	ModePath   = "/auto-installer-mode.toml"
	AnswerPath = "/answer.toml"
	MenuPath   = "/ringboot.cfg"
	RidePath   = "/ringboot.img" // GRUB hands it over behind the medium's own initrd
)

// menuSeconds is how long the menu waits before it acts by itself, as the
// stock menu does.
const menuSeconds = 10

// ErrWrongRelease says that ISO and profile are about different releases.
var ErrWrongRelease = fault.Precondition.New("wrong release")

// Request is all that the image of one node is made from.
type Request struct {
	Profile *profiles.Profile // complete, see Complete
	Node    string            // "": one medium for all nodes, each in its turn
	Probe   bool              // instead of a node: a medium that only looks at machines
	Base    *Base
	Keyring *keyring.Keyring
	Agent   *Agent // its package, made for this Base
	// Preflight looks at the machine before the installer does; nil: nothing does.
	Preflight *Preflight
	Builder   string // version of mkimage and of the agent
	Serial    bool   // menu and installer also speak on the first serial port
	Words     string // more words for the medium's kernel, which stay on the installed system
}

// What a manifest says instead of a node.
const (
	AllNodes = "all"   // a medium for all of them
	NoNode   = "probe" // a medium that only looks
)

func (r Request) whose() string {
	if r.Probe {
		return NoNode
	}
	return cmp.Or(r.Node, AllNodes)
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
	plan, err := r.Profile.PlanHashes(cmp.Or(r.Node, r.Profile.Founder().Name))
	if err != nil {
		return nil, err
	}
	if r.Base.Release != r.Profile.Proxmox.Version {
		return nil, fmt.Errorf("%w: %s is Proxmox VE %s, the profile wants %s: give the right ISO, or change proxmox.version", ErrWrongRelease, r.Base.Name, r.Base.Release, r.Profile.Proxmox.Version)
	}
	if err := r.Base.takesCeph(r.Profile); err != nil {
		return nil, err
	}
	filesOf := r.files
	switch {
	case r.Probe:
		filesOf = r.filesToLook
	case r.Node == "":
		filesOf = r.filesForAll
	}
	files, id, err := filesOf(plan)
	if err != nil {
		return nil, err
	}
	m := manifest.Manifest{
		Version: manifest.Version, Builder: r.Builder, Cluster: r.Profile.Cluster.Name, Node: r.whose(),
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
	image, err := r.finish(m, edits)
	if err != nil || r.Preflight == nil {
		return image, err
	}
	// The table of places says where things lie, which is known only now. It is
	// filled in where it is: nothing moves.
	img, err := iso9660.Open(image, image.Size())
	if err != nil {
		return nil, err
	}
	if err := r.fillTable(img, id, files, &m); err != nil {
		return nil, err
	}
	return r.finish(m, edits)
}

// finish makes the image of the files and of the manifest about them.
func (r Request) finish(m manifest.Manifest, edits []iso9660.Edit) (*Image, error) {
	text, err := m.Encode()
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(edits), iso9660.Edit{Path: manifest.Path, Content: text, ModTime: r.Base.Date})
	patched, err := iso9660.Plan(r.Base.Image, all)
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
	m.Inputs = []manifest.Input{{Name: "profile", Size: int64(len(text)), SHA256: sum(text)}}
	if r.Agent != nil {
		m.Inputs = append(m.Inputs, r.Agent.binary)
	}
	if r.Preflight != nil {
		m.Inputs = append(m.Inputs, manifest.Input{Name: "preflight", Size: int64(len(r.Preflight.program)), SHA256: sum(r.Preflight.program)})
	}
	return nil
}

// files makes everything that goes onto the medium but the manifest, and the id
// by which what rides on it knows it.
func (r Request) files(plan profiles.Hashes) (all []file, id string, err error) {
	n, _ := r.Profile.Node(r.Node)
	if r.Preflight == nil {
		if err := unaimed(r.Profile, n); err != nil {
			return nil, "", err
		}
	}
	toml, seedPackage, err := r.own(plan)
	if err != nil {
		return nil, "", err
	}
	seed, err := packageFile(seedPackage)
	if err != nil {
		return nil, "", err
	}
	seed.secret = true
	menu, err := r.menu(guard.Options{Node: r.Node, Erases: ErasesAll(n), TicketFile: medium.TicketFile})
	if err != nil {
		return nil, "", err
	}
	spent := r.add(medium.TicketFile, r.armed(r.Node))
	spent.changes = true
	answers := r.add(AnswerPath, toml)
	answers.secret = true
	all = append(menu, answers, spent, r.Agent.file, seed)
	if r.Preflight != nil {
		// What is written again on the medium has room to grow, and is not proven.
		i := slices.IndexFunc(all, func(f file) bool { return f.Path == AnswerPath })
		all[i].Content, all[i].changes = roomy(toml), true
		all, id, err = r.riding(all, medium.KindOne)
	}
	return all, id, err
}

// own are a node's answer and its seed.
func (r Request) own(plan profiles.Hashes) ([]byte, deb.Package, error) {
	secrets, ok := r.Keyring.Nodes[r.Node]
	if !ok {
		return nil, deb.Package{}, fmt.Errorf("the keyring has nothing for node %s", r.Node)
	}
	toml, err := answer.Write(answer.Request{
		Profile: r.Profile, Node: r.Node, Version: r.Base.Version,
		RootPasswordHash: secrets.RootHash, RootKeys: adminKeys(r.Profile),
	})
	if err != nil {
		return nil, deb.Package{}, err
	}
	if err := r.Base.lint(r.Node, toml); err != nil {
		return nil, deb.Package{}, err
	}
	seed, err := r.seed(plan, secrets)
	return toml, seed, err
}

// menu makes the mode file and the boot menu.
func (r Request) menu(o guard.Options) ([]file, error) {
	o.AfterInstall, o.MarkFile, o.Seconds = r.Profile.Install.AfterInstall, medium.MarkFile, menuSeconds
	o.Serial, o.Words, o.Again = r.Serial, r.Words, medium.Again
	if r.Preflight != nil {
		o.Rider = RidePath
	}
	menu, err := guard.Edit(r.Base.Menu, o)
	if err != nil {
		return nil, err
	}
	// The hook takes the place of the stock menu byte for byte, because the HFS+
	// tree of the medium shares its blocks: every view of the medium agrees.
	hook := r.add(menuPath, []byte(menuHook))
	hook.Replace, hook.InPlace = true, len(menuHook) <= len(r.Base.Menu)
	return []file{r.add(ModePath, []byte(answer.ModeFile)), r.add(MenuPath, []byte(menu)), hook}, nil
}

func (r Request) add(path string, content []byte) file {
	return file{Edit: iso9660.Edit{Path: path, Content: content, ModTime: r.Base.Date}}
}

// armed is a node's ticket as it leaves here.
func (r Request) armed(node string) []byte {
	return medium.Ticket{State: medium.TicketArmed, Node: node, ClusterID: profiles.ClusterID(r.Keyring.CADER)}.Encode()
}

// menuHook is all that is left of the stock menu at its old place. GRUB may
// have come in through a tree that lacks the new files: then it looks for them.
const menuHook = "if [ ! -f " + MenuPath + " ]; then search --no-floppy --set=root --file " + MenuPath + "; fi\nsource " + MenuPath + "\n"

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
func (r Request) seed(plan profiles.Hashes, secrets keyring.Entry) (deb.Package, error) {
	profile, err := profiles.Marshal(r.Profile)
	if err != nil {
		return deb.Package{}, err
	}
	peers, err := peerKeys(r.Keyring)
	if err != nil {
		return deb.Package{}, err
	}
	own := profiles.Seed{
		Version: profiles.SeedVersion, Node: r.Node, ClusterID: profiles.ClusterID(r.Keyring.CADER), Plan: plan, Peers: peers, Issues: issues(r.Keyring), Practice: r.Base.Practice,
	}
	r.Keyring.SignGrown(&own, r.Profile)
	seed, err := json.MarshalIndent(own, "", "  ")
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
