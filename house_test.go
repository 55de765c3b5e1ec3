// Package ringboot_test holds the rules of the house: which room may import
// which, where third-party types and Proxmox's own names stop, how large a
// room, a file and a function may get, and that every package says what it is for.
package ringboot_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

type pkg struct {
	ImportPath, Dir, Doc, Name         string
	Imports, TestImports, XTestImports []string
	GoFiles, IgnoredGoFiles            []string
}

// list runs go list for linux and darwin and merges what they say.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	all := map[string]pkg{}
	for _, goos := range []string{"linux", "darwin"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,Doc,Name,Imports,TestImports,XTestImports,GoFiles,IgnoredGoFiles", "./...")
		cmd.Env = append(cmd.Environ(), "GOOS="+goos)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", goos, err)
		}
		dec := json.NewDecoder(strings.NewReader(string(out)))
		for {
			var p pkg
			if err := dec.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			old := all[p.ImportPath]
			p.Imports = union(p.Imports, old.Imports)
			p.TestImports = union(union(p.TestImports, p.XTestImports), old.TestImports)
			p.GoFiles = union(p.GoFiles, old.GoFiles)
			if p.Doc == "" {
				p.Doc = old.Doc
			}
			all[p.ImportPath] = p
		}
	}
	return all
}

func union(a, b []string) []string {
	a = slices.Concat(a, b)
	slices.Sort(a)
	return slices.Compact(a)
}

// within reports whether path is the package or one below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// roomOf is the longest room of the table that path lies in.
func roomOf[V any](rooms map[string]V, path string) string {
	room := ""
	for r := range rooms {
		if within(path, r) && len(r) > len(room) {
			room = r
		}
	}
	return room
}

// room is what one room of the house may import of the others, and why no more.
type room struct {
	may string // rooms, with all below them, separated by spaces; "ringboot/" is left out
	why string // the reason for the ban on all others
}

// steps is what every step's room may import beside what its row names.
const steps = "firstboot/step firstboot/host profiles "

// arrows has a row for each room; the longest matching one counts. What a row
// permits and nobody uses is stale, and fails.
var arrows = map[string]room{
	"ringboot":                              {"", "the root holds rules only"},
	"ringboot/profiles":                     {"profiles/diskname profiles/form profiles/spelling profiles/sshkey", "everything else reads profiles, so it can read nothing"},
	"ringboot/profiles/pick":                {"", "the installer's rules are pure"},
	"ringboot/profiles/medium":              {"profiles", "formats that builder and node both read"},
	"ringboot/profiles/form":                {"profiles/fault profiles/spelling", "it reads what a table describes, and knows no cluster"},
	"ringboot/profiles/draft":               {"profiles", "it writes texts of profiles and asks nobody"},
	"ringboot/profiles/inventory":           {"profiles", "a profile in Ansible's form knows no node"},
	"ringboot/profiles/diskname":            {"", "names of disks are pure"},
	"ringboot/profiles/sshkey":              {"", "a format is pure"},
	"ringboot/profiles/change":              {"profiles", "it compares profiles and knows no node"},
	"ringboot/profiles/spelling":            {"", "the installer's rules about words are pure"},
	"ringboot/profiles/fault":               {"", "an exit code and its sentence need nothing"},
	"ringboot/discovery/grant":              {"", "a word and its check need nothing"},
	"ringboot/discovery":                    {"discovery/grant", "records are plain values; who trusts them is decided by trust"},
	"ringboot/ansible":                      {"", "it is files to embed"},
	"ringboot/cmd/cli":                      {"profiles", "it knows commands, not what they do"},
	"ringboot/cmd/mkimage":                  {"cmd/cli imagebuilder profiles ansible", "the builder runs on a laptop: nothing of the node's, and no rehearsal to carry"},
	"ringboot/cmd/rehearse":                 {"cmd/cli imagebuilder profiles rehearsal", "it plays machines; the agent reaches them in images only"},
	"ringboot/cmd/firstboot":                {"cmd/cli firstboot profiles", "the agent carries no builder"},
	"ringboot/cmd/preflight":                {"firstboot/early firstboot/host firstboot/inventory firstboot/look firstboot/preflight profiles/medium", "it looks and hands over: it must be small"},
	"ringboot/cmd/peers":                    {"cmd/cli discovery docs firstboot/status firstboot/trust profiles", "the view asks nodes; it is none"},
	"ringboot/imagebuilder":                 {"imagebuilder profiles", "an image is made without a node"},
	"ringboot/imagebuilder/iso9660":         {"profiles/fault", "a format is pure"},
	"ringboot/imagebuilder/deb":             {"", "a format is pure"},
	"ringboot/imagebuilder/answer":          {"profiles", "a linter is pure"},
	"ringboot/imagebuilder/guard":           {"profiles/fault", "a menu is pure"},
	"ringboot/imagebuilder/initrd":          {"profiles/fault", "a format is pure"},
	"ringboot/firstboot":                    {"firstboot profiles", "the agent puts its rooms together; nothing of the laptop's"},
	"ringboot/firstboot/apt":                {"firstboot/host", "it asks apt and decides nothing"},
	"ringboot/firstboot/seal":               {"", "a secret and the TPM that keeps it need nothing"},
	"ringboot/firstboot/step":               {"firstboot/host", "what a step is knows no step"},
	"ringboot/firstboot/keeper":             {"firstboot/ring firstboot/status firstboot/trust firstboot/host discovery profiles", "what stays and listens can do little: no step, and nothing of Proxmox"},
	"ringboot/firstboot/drift":              {steps + "firstboot/status", "it asks steps, whichever they are"},
	"ringboot/firstboot/settled":            {"firstboot/host", "a mark decides nothing"},
	"ringboot/firstboot/engine":             {"firstboot/step firstboot/host firstboot/journal firstboot/status profiles/fault", "it runs steps and knows none"},
	"ringboot/firstboot/base":               {steps + "firstboot/apt firstboot/inventory firstboot/pve", "before the network there are no peers; what is Proxmox's goes through its door"},
	"ringboot/firstboot/management":         {steps, "the network is this node's own affair"},
	"ringboot/firstboot/pve/corosync":       {"", "a grammar is pure"},
	"ringboot/firstboot/ringup":             {steps + "firstboot/pve firstboot/ring/layout firstboot/status", "the floor of the ring needs no peer"},
	"ringboot/firstboot/gate":               {steps + "firstboot/apt firstboot/pve firstboot/status firstboot/trust", "it judges what others say; of its own node it may have the packages brought up to date"},
	"ringboot/firstboot/upgrade":            {"firstboot/apt firstboot/errand firstboot/host firstboot/pve profiles", "it takes nodes one after the other and makes no cluster"},
	"ringboot/firstboot/errand":             {"firstboot/host", "an order on the disk and a wait know no work"},
	"ringboot/firstboot/blockdb":            {"firstboot/pve profiles", "it judges disks, and touches none"},
	"ringboot/firstboot/replacedisk":        {"firstboot/blockdb firstboot/errand firstboot/host firstboot/pve profiles", "it replaces one disk, and asks nobody but Ceph"},
	"ringboot/firstboot/cluster":            {steps + "firstboot/pve firstboot/settled firstboot/trust", "cluster first: it knows no storage"},
	"ringboot/firstboot/storage":            {steps + "firstboot/apt firstboot/blockdb firstboot/pve firstboot/status firstboot/trust", "storage asks for the proof as a step, not for its room"},
	"ringboot/firstboot/acceptance/consent": {"firstboot/host firstboot/trust profiles", "a machine's own word, and who else is asked for one"},
	"ringboot/firstboot/acceptance":         {steps + "firstboot/acceptance/consent firstboot/pve firstboot/report firstboot/status firstboot/storage firstboot/throughput firstboot/trust", "drills try what other rooms made"},
	"ringboot/firstboot/reporting":          {steps + "firstboot/acceptance firstboot/pve firstboot/report firstboot/status firstboot/storage firstboot/trust", "the report tells of what other rooms made and found"},
	"ringboot/firstboot/pve":                {"firstboot/host firstboot/pve/corosync profiles", "the door to Proxmox knows no step"},
	"ringboot/firstboot/preflight":          {"profiles", "it judges what was seen and opens nothing"},
	"ringboot/firstboot/look":               {"firstboot/preflight profiles", "it sees and does not judge"},
	"ringboot/firstboot/early":              {"", "it serves whatever the kernel starts first"},
	"ringboot/firstboot/host":               {"", "the machine knows nothing of us"},
	"ringboot/rehearsal/crash":              {"firstboot/host rehearsal/disk", "a machine that is cut off"},
	"ringboot/rehearsal/disk":               {"", "a disk knows no machine"},
	"ringboot/firstboot/inventory":          {"firstboot/host profiles", "it looks and decides nothing"},
	"ringboot/firstboot/journal":            {"firstboot/host", "it keeps lines and knows no step"},
	"ringboot/firstboot/report":             {"firstboot/throughput profiles", "a report is a value and its pages"},
	"ringboot/firstboot/ring/layout":        {"profiles", "what should be follows from the plan and from what is there: nothing is asked or changed"},
	"ringboot/firstboot/ring/usb4":          {"firstboot/host profiles", "it reads what the kernel shows and judges nothing"},
	"ringboot/firstboot/ring/verdict":       {"firstboot/ring/layout firstboot/ring/usb4 profiles", "a sentence follows from what is known: nothing is asked"},
	"ringboot/firstboot/ring":               {"discovery/grant firstboot/host firstboot/ring firstboot/status profiles", "the ring finds out for itself: no peer's word and no channel"},
	"ringboot/firstboot/ringreport":         {"firstboot/host firstboot/inventory firstboot/ring/usb4 firstboot/status profiles", "it reads what is there, for somebody else to read"},
	"ringboot/firstboot/status":             {"firstboot/status discovery profiles", "what is said and drawn asks nobody"},
	"ringboot/firstboot/throughput":         {"profiles", "it measures a link"},
	"ringboot/firstboot/ticket":             {"profiles", "it changes a stick's one block"},
	"ringboot/firstboot/trust/bindings":     {"", "who is who rests on signatures and one file"},
	"ringboot/firstboot/trust":              {"discovery/grant firstboot/status profiles/fault firstboot/trust/bindings", "the channel carries and does not decide"},
	"ringboot/rehearsal":                    {"imagebuilder profiles discovery rehearsal", "the stand-ins know the tools, not the agent"},
	"ringboot/rehearsal/trial":              {"firstboot/host firstboot/step firstboot/trust profiles rehearsal", "it runs the steps of a room that is handed to it, and knows none"},
	"ringboot/rehearsal/nodetest":           {"firstboot/host rehearsal/crash rehearsal/disk", "a memory machine for the node's own steps"},
	"ringboot/firstboot/pairing":            {"firstboot/host profiles/fault", "two machines and a cable need nothing else"},
	"ringboot/cmd/ringkeeper":               {"cmd/cli firstboot/alone firstboot/host firstboot/ringreport firstboot/status imagebuilder/deb profiles/fault", "it keeps a ring and makes its own package: no cluster, no image"},
	"ringboot/firstboot/alone":              {"firstboot/host firstboot/pairing firstboot/ring firstboot/ringup firstboot/status profiles", "a keeper without a cluster asks nobody but the other ends of its cables"},
}

func TestArrowsPointOneWay(t *testing.T) {
	used := map[string]bool{}
	for path, p := range list(t) {
		r := roomOf(arrows, path)
		if r == "ringboot/firstboot" && path != r {
			t.Errorf("%s has no row in arrows: it may import all of the agent, which only the room that puts the agent together does", path)
		}
		for _, imp := range p.Imports {
			if !within(imp, "ringboot") || imp == path {
				continue
			}
			i := slices.IndexFunc(strings.Fields(arrows[r].may), func(ok string) bool { return within(imp, "ringboot/"+ok) })
			if i < 0 {
				t.Errorf("%s imports %s, but %s", path, imp, arrows[r].why)
				continue
			}
			used[r+" "+strings.Fields(arrows[r].may)[i]] = true
		}
	}
	for r, row := range arrows {
		for _, ok := range strings.Fields(strings.TrimPrefix(row.may, steps)) {
			if !used[r+" "+ok] {
				t.Errorf("stale: %s may import ringboot/%s and does not", r, ok)
			}
		}
	}
}

// testArrows is what the tests of a room may import beyond the room itself and
// what it may import.
var testArrows = map[string]room{
	"ringboot":               {"", "rules need no room"},
	"ringboot/ansible":       {"rehearsal", "the playbook is tried on systems of the rehearsal"},
	"ringboot/cmd":           {"rehearsal", "commands are tried with the systems that they meet"},
	"ringboot/cmd/firstboot": {"rehearsal imagebuilder discovery", "the agent meets hosts that forge records, too"},
	"ringboot/discovery":     {"rehearsal", "records cross namespaces of the rehearsal"},
	"ringboot/docs":          {"profiles rehearsal firstboot/trust", "documents are executed"},
	"ringboot/firstboot":     {"rehearsal", "rooms are tried on simulated machines"},
	"ringboot/imagebuilder":  {"rehearsal firstboot/ticket", "images are read back, as the node does"},
	"ringboot/profiles":      {"rehearsal", "profiles are held against what reads them"},
	"ringboot/rehearsal":     {"firstboot profiles rehearsal", "the bench runs the shipping agent"},
}

func TestTestsKeepToTheirRooms(t *testing.T) {
	used := map[string]bool{}
	for path, p := range list(t) {
		r, tr := roomOf(arrows, path), roomOf(testArrows, path)
		for _, imp := range p.TestImports {
			if !within(imp, "ringboot") || within(imp, path) {
				continue
			}
			if slices.ContainsFunc(strings.Fields(arrows[r].may), func(ok string) bool { return within(imp, "ringboot/"+ok) }) {
				continue
			}
			i := slices.IndexFunc(strings.Fields(testArrows[tr].may), func(ok string) bool { return within(imp, "ringboot/"+ok) })
			if i < 0 {
				t.Errorf("a test of %s imports %s, but %s", path, imp, testArrows[tr].why)
				continue
			}
			used[tr+" "+strings.Fields(testArrows[tr].may)[i]] = true
		}
	}
	for r, row := range testArrows {
		for _, ok := range strings.Fields(row.may) {
			if !used[r+" "+ok] {
				t.Errorf("stale: tests of %s may import ringboot/%s and do not", r, ok)
			}
		}
	}
}

// doors names where the types of others stop.
var doors = map[string][]string{
	"gopkg.in/yaml.v3":               {"ringboot/profiles"},
	"charm.land/bubbletea":           {"ringboot/cmd/peers"},
	"github.com/hashicorp/mdns":      {"ringboot/discovery"},
	"github.com/miekg/dns":           {"ringboot/discovery"},
	"github.com/vishvananda/netlink": {"ringboot/firstboot/ring"},
	"github.com/gopacket/gopacket":   {"ringboot/rehearsal/cable"},
	"github.com/google/go-tpm":       {"ringboot/firstboot/seal"},
	"github.com/coreos/go-systemd":   {"ringboot/firstboot/host"},
	"github.com/diskfs/go-diskfs":    {"ringboot/imagebuilder/inspect", "ringboot/imagebuilder/locale", "ringboot/firstboot/look"},
	"rsc.io/qr":                      {"ringboot/cmd/preflight"},
	"github.com/ulikunitz/xz":        {"ringboot/imagebuilder/initrd"},
	"github.com/pierrec/lz4":         {"ringboot/imagebuilder/initrd"},
	"github.com/spf13/cobra":         {"ringboot/cmd"},
	"howett.net/plist":               {"ringboot/imagebuilder/stick"},
	"github.com/go-crypt/crypt":      {"ringboot/imagebuilder/keyring"},
	"github.com/pelletier/go-toml":   {"ringboot/imagebuilder/answer", "ringboot/rehearsal"},
	"testing":                        {"ringboot/rehearsal/need", "ringboot/rehearsal/containers/lab", "ringboot/rehearsal/hangfs"},
}

func TestThirdPartyTypesStopAtOneDoor(t *testing.T) {
	used := map[string]bool{}
	for path, p := range list(t) {
		for _, imp := range p.Imports {
			for lib, rooms := range doors {
				if !within(imp, lib) {
					continue
				}
				i := slices.IndexFunc(rooms, func(r string) bool { return within(path, r) })
				if i < 0 {
					t.Errorf("%s imports %s, which only %v may", path, imp, rooms)
					continue
				}
				used[lib+" "+rooms[i]] = true
			}
		}
	}
	for lib, rooms := range doors {
		for _, r := range rooms {
			if !used[lib+" "+r] {
				t.Errorf("stale: %s may import %s and does not", r, lib)
			}
		}
	}
}

func TestPureRoomsDoNoIO(t *testing.T) {
	for path, p := range list(t) {
		for _, room := range []string{"iso9660", "deb", "answer", "guard", "initrd"} {
			if !within(path, "ringboot/imagebuilder/"+room) {
				continue
			}
			for _, imp := range p.Imports {
				if imp == "os/exec" || imp == "net" || imp == "net/http" {
					t.Errorf("%s imports %s: it is pure", path, imp)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for path, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		if len(p.Doc) < 40 {
			t.Errorf("%s has no package comment that says its job", path)
		}
	}
}
