// Package ringboot_test holds the rules of the house: which package may
// import which, where third-party types stop, and that every package says what
// it is for.
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
	ImportPath, Doc, Name              string
	Imports, TestImports, XTestImports []string
	Deps                               []string
	GoFiles                            []string
}

// list runs go list for linux and darwin and merges what they say.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	all := map[string]pkg{}
	for _, goos := range []string{"linux", "darwin"} {
		cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Doc,Name,Imports,TestImports,XTestImports,GoFiles", "./...")
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
			p.Imports = append(p.Imports, old.Imports...)
			if p.Doc == "" {
				p.Doc = old.Doc
			}
			all[p.ImportPath] = p
		}
	}
	return all
}

// within tells whether path is the package or one below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// arrows lists, for each room of the house, the rooms that it may import. The
// longest matching room counts.
var arrows = map[string][]string{
	"ringboot/cmd/manual":           {},
	"ringboot/cmd/mkimage":          {"ringboot/cmd/manual", "ringboot/imagebuilder", "ringboot/profiles", "ringboot/rehearsal", "ringboot/ansible"},
	"ringboot/cmd/firstboot":        {"ringboot/cmd/manual", "ringboot/firstboot", "ringboot/profiles"},
	"ringboot/cmd/peers":            {"ringboot/cmd/manual", "ringboot/discovery", "ringboot/firstboot/trust", "ringboot/profiles"},
	"ringboot/imagebuilder":         {"ringboot/imagebuilder", "ringboot/profiles"},
	"ringboot/imagebuilder/iso9660": {},
	"ringboot/imagebuilder/deb":     {},
	"ringboot/imagebuilder/answer":  {"ringboot/profiles"},
	"ringboot/imagebuilder/guard":   {},
	"ringboot/firstboot":            {"ringboot/firstboot", "ringboot/discovery", "ringboot/profiles"},
	"ringboot/discovery":            {},
	"ringboot/profiles":             {},
	"ringboot/ansible":              {},
	"ringboot/rehearsal":            {"ringboot/imagebuilder", "ringboot/profiles", "ringboot/discovery", "ringboot/rehearsal"},
	"ringboot":                      {},
}

func TestArrowsPointOneWay(t *testing.T) {
	for path, p := range list(t) {
		room := ""
		for r := range arrows {
			if within(path, r) && len(r) > len(room) {
				room = r
			}
		}
		for _, imp := range p.Imports {
			if !within(imp, "ringboot") {
				continue
			}
			if !slices.ContainsFunc(arrows[room], func(ok string) bool { return within(imp, ok) }) {
				t.Errorf("%s imports %s: the house allows %s only %v", path, imp, room, arrows[room])
			}
		}
	}
}

// doors names where the types of others stop.
var doors = map[string][]string{
	"gopkg.in/yaml.v3":               {"ringboot/profiles"},
	"github.com/hashicorp/mdns":      {"ringboot/discovery"},
	"github.com/miekg/dns":           {"ringboot/discovery"},
	"github.com/vishvananda/netlink": {"ringboot/firstboot/host", "ringboot/firstboot/ring"},
	"github.com/coreos/go-systemd":   {"ringboot/firstboot/host"},
	"github.com/diskfs/go-diskfs":    {"ringboot/imagebuilder/inspect", "ringboot/rehearsal"},
	"github.com/spf13/cobra":         {"ringboot/cmd"},
	"howett.net/plist":               {"ringboot/imagebuilder/stick"},
	"github.com/go-crypt/crypt":      {"ringboot/imagebuilder/keyring"},
	"github.com/pelletier/go-toml":   {"ringboot/imagebuilder/answer", "ringboot/rehearsal"},
	"testing":                        {"ringboot/rehearsal/need", "ringboot/rehearsal/containers/lab"},
}

func TestThirdPartyTypesStopAtOneDoor(t *testing.T) {
	for path, p := range list(t) {
		for _, imp := range p.Imports {
			for lib, rooms := range doors {
				if within(imp, lib) && !slices.ContainsFunc(rooms, func(r string) bool { return within(path, r) }) {
					t.Errorf("%s imports %s, which only %v may", path, imp, rooms)
				}
			}
		}
	}
}

func TestPureRoomsDoNoIO(t *testing.T) {
	for path, p := range list(t) {
		for _, room := range []string{"iso9660", "deb", "answer", "guard"} {
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
