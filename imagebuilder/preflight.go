package imagebuilder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"ringboot/imagebuilder/answer"
	"ringboot/imagebuilder/initrd"
	"ringboot/imagebuilder/iso9660"
	"ringboot/imagebuilder/manifest"
	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// KnownInitrd is ReadInitrd, or what a note in dir says of it: to unpack an
// initrd takes as long as to make an image. The ISO's checksum says that it is
// the same one.
func (b *Base) KnownInitrd(dir string) (initrd.Initrd, error) {
	var of initrd.Initrd
	note := filepath.Join(dir, b.SHA256+".initrd.json")
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &of) == nil && of.Init.Mode != 0 {
		return of, nil
	}
	of, err := b.ReadInitrd()
	if err != nil {
		return of, err
	}
	// The note only saves time: a disk that is full or read-only is no error.
	if text, err := json.Marshal(of); err == nil && os.MkdirAll(dir, 0o755) == nil {
		if os.WriteFile(note+".new", text, 0o644) == nil {
			_ = os.Rename(note+".new", note)
		}
	}
	return of, nil
}

// Preflight is the program that looks at a machine before the installer does,
// and the initrd of the base that it rides behind.
type Preflight struct {
	program []byte
	initrd  initrd.Initrd
}

// PackPreflight takes the program (linux/amd64) for images of the base that the
// initrd is of.
func PackPreflight(program *io.SectionReader, of initrd.Initrd) (*Preflight, error) {
	content, err := io.ReadAll(io.NewSectionReader(program, 0, program.Size()))
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	return &Preflight{program: content, initrd: of}, nil
}

// ride makes the archive that follows the medium's initrd.
func (r Request) ride(id, kind string) ([]byte, error) {
	whole, err := r.plan(kind)
	if err != nil {
		return nil, err
	}
	whole.Image = id
	plan, err := whole.Encode()
	if err != nil {
		return nil, err
	}
	return r.Preflight.initrd.Ride(r.Preflight.program, map[string][]byte{medium.PlanFile: plan})
}

// plan is what the program must know of the cluster.
func (r Request) plan(kind string) (medium.Plan, error) {
	p := medium.Plan{
		Version: medium.PlanVersion, Kind: kind, Cluster: r.Profile.Cluster.Name,
		Node: r.Node, After: r.Profile.Install.AfterInstall,
	}
	if r.Keyring != nil {
		p.ClusterID = profiles.ClusterID(r.Keyring.CADER)
	}
	for _, n := range r.Profile.Nodes {
		choice, err := answer.ChoiceOf(r.Profile, n)
		if err != nil {
			return p, fmt.Errorf("%s: %w", n.Name, err)
		}
		p.Nodes = append(p.Nodes, medium.Target{
			Name: n.Name, Machine: n.Machine, MACs: macs(n), Root: n.RootDisk, Mirror: n.MirrorDisk, AtLeast: r.Profile.LeastRoot(n), Others: append(n.BesideDisks(), n.OSDDisks...),
			Filter: choice.Filter, List: choice.List, Match: choice.Match, Single: choice.Single,
		})
	}
	return p, nil
}

// macs are the hardware addresses by which a node's machine is known.
func macs(n profiles.Node) []string {
	var out []string
	for _, p := range n.Ports {
		if p.MAC != "" {
			out = append(out, strings.ToLower(p.MAC))
		}
	}
	for _, p := range n.RingPorts {
		if p.MAC != "" {
			out = append(out, strings.ToLower(p.MAC))
		}
	}
	return out
}

// riding adds what looks at the machine, and the places that it writes.
func (r Request) riding(all []file, kind string) ([]file, string, error) {
	id := r.imageID(all)
	ride, err := r.ride(id, kind)
	if err != nil {
		return nil, "", err
	}
	places := r.add(medium.PlacesFile, make([]byte, medium.TableSize+medium.LogSize))
	places.changes = true
	return append(all, r.add(RidePath, ride), places), id, nil
}

// imageID tells an image from every other, so that what rode in on a medium
// writes to that medium and to none that only looks like it.
func (r Request) imageID(files []file) string {
	h := sha256.New()
	fmt.Fprintln(h, r.Base.SHA256, r.Node, sum(r.Preflight.program))
	for _, f := range files {
		fmt.Fprintln(h, f.Path, sum(f.Content))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// roomy fills a text up to the length of its place.
func roomy(text []byte) []byte { return fill(text, medium.Room(len(text))) }

// fillTable writes the table of places into its file, and its hash into the manifest.
func (r Request) fillTable(img *iso9660.Image, id string, files []file, m *manifest.Manifest) error {
	t, err := r.table(img, id, files)
	if err != nil {
		return err
	}
	text, err := t.Encode()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Path == medium.PlacesFile {
			copy(f.Content, text)
		}
		for i := range m.Files {
			if f.Path == medium.PlacesFile && m.Files[i].Path == f.Path {
				m.Files[i].SHA256 = sum(f.Content)
			}
		}
	}
	return nil
}

func (r Request) table(img *iso9660.Image, id string, files []file) (medium.Table, error) {
	t := medium.Table{Image: id, Ticket: map[string]medium.Place{}}
	want := map[string]*medium.Place{medium.PlacesFile: &t.Log, AnswerPath: &t.Answer}
	tickets := map[string]string{}
	if r.Node != "" {
		tickets[r.Node] = medium.TicketFile
	}
	for _, f := range files {
		if strings.HasPrefix(path.Base(f.Path), seedName) {
			want[f.Path] = &t.Seed
		}
	}
	var store medium.Place
	all := r.Node == "" && !r.Probe
	if all {
		want[medium.StoreFile] = &store
		for _, n := range r.Profile.Nodes {
			tickets[n.Name] = ticketOf(n.Name)
		}
	}
	for path, place := range want {
		found, err := placeOf(img, path)
		if err != nil {
			return t, err
		}
		*place = found
	}
	t.Log = medium.Place{Off: t.Log.Off + medium.TableSize, Len: t.Log.Len - medium.TableSize}
	for node, path := range tickets {
		found, err := placeOf(img, path)
		if err != nil {
			return t, err
		}
		t.Ticket[node] = found
	}
	if all {
		t.Store = map[string]medium.Pair{}
		at := store.Off
		for _, n := range r.Profile.Nodes {
			t.Store[n.Name] = medium.Pair{Answer: medium.Place{Off: at, Len: t.Answer.Len}, Seed: medium.Place{Off: at + t.Answer.Len, Len: t.Seed.Len}}
			at += t.Answer.Len + t.Seed.Len
		}
	}
	return t, nil
}

func placeOf(img *iso9660.Image, path string) (medium.Place, error) {
	f, err := img.Lookup(path)
	if err != nil {
		return medium.Place{}, err
	}
	if len(f.Extents) != 1 {
		return medium.Place{}, fmt.Errorf("%s lies in %d pieces", path, len(f.Extents))
	}
	return medium.Place{Off: f.Extents[0].Off, Len: f.Size}, nil
}
