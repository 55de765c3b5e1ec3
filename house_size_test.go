package ringboot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// What one can hold in the head: lines of a file, of a function, and of a room
// without its tests.
const (
	maxFile     = 400
	maxFunction = 60
	maxRoom     = 2500
)

// larger are the exceptions, each by its name with the reason and its own bound.
var larger = map[string]struct {
	lines int
	why   string
}{
	"cmd/mkimage":                   {3140, "one file a command, and what they share"},
	"profiles/change/table.go:Rows": {110, "one table: a row for each key of a profile"},
	"firstboot/ring":                {2660, "one keeper: its core, the hellos, the kernel and the wires, all of which change together"},
	"profiles":                      {2650, "what a profile may say, and the tables of it"},
	"imagebuilder/iso9660":          {2600, "reader, plan and writer of one format"},
	"rehearsal/tools/ceph":          {2560, "one store, and the disks below it, that all stand-ins of Ceph share"},
	"firstboot/pve":                 {3470, "the one door to Proxmox"},
}

// source is one parsed file of the house.
type source struct {
	path  string // below the root, with slashes
	file  *ast.File
	set   *token.FileSet
	lines int
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) room() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// sources parses every Go file of the house.
func sources(t testing.TB) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "build" || d.Name() == "testdata" || path != "." && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(path), f, set, set.File(f.Pos()).LineCount()})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingIsLargerThanAHead(t *testing.T) {
	used := map[string]bool{}
	hold := func(name string, lines, limit int) {
		bound := limit
		if e, ok := larger[name]; ok && lines > limit {
			used[name], bound = true, e.lines
		}
		if lines > bound {
			t.Errorf("%s has %d lines, at most %d are allowed: what reads like two ideas is two", name, lines, bound)
		}
	}
	rooms := map[string]int{}
	for _, s := range sources(t) {
		hold(s.path, s.lines, maxFile)
		if s.test() {
			continue
		}
		rooms[s.room()] += s.lines
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				lines := s.set.Position(f.End()).Line - s.set.Position(f.Pos()).Line + 1
				hold(s.path+":"+f.Name.Name, lines, maxFunction)
			}
		}
	}
	for room, lines := range rooms {
		hold(room, lines, maxRoom)
	}
	for name := range larger {
		if !used[name] {
			t.Errorf("stale: %s needs no exception", name)
		}
	}
}

// proxmoxTools are programs that only pve runs.
var proxmoxTools = []string{"pvecm", "pvesh", "pveceph", "pveum", "pvesm", "qm", "pct", "ha-manager", "pveversion", "corosync-cfgtool", "corosync-quorumtool", "ceph-volume", "pvesubscription"}

// Only pve names a path below /etc/pve, /etc/corosync and /etc/ceph, or a tool
// of Proxmox. A sentence for people may.
func TestOnlyPVENamesWhatIsProxmoxs(t *testing.T) {
	for _, s := range sources(t) {
		if s.test() || !strings.HasPrefix(s.path, "firstboot/") || s.room() == "firstboot/pve" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text := strings.Trim(lit.Value, "`\"")
			at := s.set.Position(lit.Pos())
			for _, dir := range []string{"/etc/pve", "/etc/corosync", "/etc/ceph"} {
				if strings.HasPrefix(text, dir) && !strings.Contains(text, " ") {
					t.Errorf("%s names %s: that is pve's to know", at, text)
				}
			}
			for _, tool := range proxmoxTools {
				if text == tool {
					t.Errorf("%s names the tool %s: that is pve's to run", at, text)
				}
			}
			return true
		})
	}
}
