package mutation_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// rooms are those of the steps: each is to be held by its own tests.
var rooms = []string{"base", "management", "ringup", "gate", "cluster", "storage", "acceptance", "reporting"}

// beside is where the steps of a room are tried on a whole node. What only that
// finds is counted apart.
var beside = map[string]string{"base": nodes, "management": nodes}

// A mutant is a change of one line: new in the place of what stands there.
type mutant struct {
	file     string
	kind     string
	line     int
	from, to int // bytes of the file
	new      string
}

func (m mutant) in(text string) string { return text[:m.from] + m.new + text[m.to:] }

func (m mutant) show(text string) string {
	was := strings.Join(strings.Fields(text[m.from:m.to]), " ")
	if m.new == "" {
		return fmt.Sprintf("%s:%d: %s: %s", m.file, m.line, m.kind, was)
	}
	return fmt.Sprintf("%s:%d: %s: %s becomes %s", m.file, m.line, m.kind, was, m.new)
}

// turned are operators and what becomes of them.
var turned = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR, token.LAND: token.LOR, token.LOR: token.LAND,
}

// mutantsOf are all mutants of one file.
func mutantsOf(file, text string) ([]mutant, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []mutant
	add := func(kind string, from, to token.Pos, new string) {
		a, b := set.Position(from), set.Position(to)
		if a.Line == b.Line {
			all = append(all, mutant{file, kind, a.Line, a.Offset, b.Offset, new})
		}
	}
	source := func(n ast.Node) string {
		return text[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset]
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.IfStmt:
			if b, ok := x.Cond.(*ast.BinaryExpr); !ok || turned[b.Op] == token.ILLEGAL {
				add("negated", x.Cond.Pos(), x.Cond.End(), "!("+source(x.Cond)+")")
			}
		case *ast.BinaryExpr:
			if op := turned[x.Op]; op != token.ILLEGAL {
				add("operator", x.OpPos, x.OpPos+token.Pos(len(x.Op.String())), op.String())
			}
		case *ast.BlockStmt:
			dropped(x.List, add)
		case *ast.CaseClause:
			dropped(x.Body, add)
		case *ast.BasicLit:
			// A mode of a file that is one more means nothing.
			if x.Kind == token.INT && !strings.HasPrefix(x.Value, "0o") {
				add("constant", x.Pos(), x.End(), "("+x.Value+" + 1)")
			}
		case *ast.ReturnStmt:
			if last, ok := lastError(x); ok {
				add("error", last.Pos(), last.End(), "nil")
			}
		}
		return true
	})
	return all, nil
}

// dropped are the statements of a list without which it may still compile.
func dropped(list []ast.Stmt, add func(kind string, from, to token.Pos, new string)) {
	for _, s := range list {
		switch x := s.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			add("dropped", x.Pos(), x.End(), "")
		case *ast.AssignStmt:
			if x.Tok != token.DEFINE {
				add("dropped", x.Pos(), x.End(), "")
			}
		}
	}
}

// lastError is the error that a return hands on, or makes.
func lastError(r *ast.ReturnStmt) (ast.Expr, bool) {
	if len(r.Results) == 0 {
		return nil, false
	}
	switch x := r.Results[len(r.Results)-1].(type) {
	case *ast.Ident:
		return x, x.Name == "err"
	case *ast.CallExpr:
		f, ok := x.Fun.(*ast.SelectorExpr)
		return x, ok && (f.Sel.Name == "Errorf" || f.Sel.Name == "New")
	}
	return nil, false
}

// mutantsIn are all mutants of a room.
func mutantsIn(t *testing.T, room string) []mutant {
	t.Helper()
	entries, err := os.ReadDir(root + "/firstboot/" + room)
	if err != nil {
		t.Fatal(err)
	}
	var all []mutant
	for _, e := range entries {
		name := e.Name()
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_other.go") {
			continue
		}
		file := "firstboot/" + room + "/" + name
		some, err := mutantsOf(file, read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// foundBeside is the outcome of what the tests of a whole node find.
const foundBeside = "found beside"

// wanted is how many mutants are tried in make figures, sampleOfMutants how
// many else.
const (
	wanted          = 300
	sampleOfMutants = 3
)

// A mutant that no test of its room kills fails nothing here: the figures tell
// how many there are, and the log which.
func TestMutantsAreKilled(t *testing.T) {
	need.Slow(t)
	goal, in := wanted, rooms
	if !whole() {
		goal, in = sampleOfMutants, shuffled(t, rooms)
	}
	if n, err := strconv.Atoi(os.Getenv(pickedCount)); err == nil {
		goal = n
	}
	if room := os.Getenv(pickedRoom); room != "" {
		in = []string{room}
	}
	in = in[:min(goal, len(in))]
	all, tally := map[string][]mutant{}, map[string][3]int{}
	for _, room := range in {
		sound(t, tests{pkg: "firstboot/" + room})
		if other := beside[room]; other != "" {
			sound(t, tests{pkg: other})
		}
		all[room] = shuffled(t, mutantsIn(t, room))
	}
	tried, killed, besides := 0, 0, 0
	for tried < goal && slices.ContainsFunc(in, func(room string) bool { return len(all[room]) > 0 }) {
		for _, room := range in {
			if tried == goal || len(all[room]) == 0 {
				continue
			}
			rest, outcome := try(t, room, all[room])
			all[room] = rest
			if outcome == stillborn {
				continue
			}
			n := tally[room]
			tried, n[0] = tried+1, n[0]+1
			if outcome == found {
				killed, n[1] = killed+1, n[1]+1
			}
			if outcome == foundBeside {
				besides, n[2] = besides+1, n[2]+1
			}
			tally[room] = n
		}
	}
	for _, room := range in {
		t.Logf("%s: %d of %d mutants are killed by its own tests, %d more by those of a whole node", room, tally[room][1], tally[room][0], tally[room][2])
	}
	need.Figure(figureName("bench.mutants"), tried, "count")
	need.Figure(figureName("bench.mutants_killed"), killed, "count")
	need.Figure(figureName("bench.mutants_killed_beside"), besides, "count")
}

// try takes mutants of a room until one of them compiles.
func try(t *testing.T, room string, all []mutant) (rest []mutant, outcome string) {
	t.Helper()
	for i, m := range all {
		text := read(t, m.file)
		outcome, _ := attempt(t, m.file, m.in(text), tests{pkg: "firstboot/" + room})
		if other := beside[room]; outcome == survived && other != "" {
			if outcome, _ = attempt(t, m.file, m.in(text), tests{pkg: other}); outcome == found {
				outcome = foundBeside
			}
		}
		if outcome == survived {
			t.Logf("survived: %s", m.show(text))
		}
		if outcome != stillborn {
			return all[i+1:], outcome
		}
	}
	return nil, stillborn
}

func TestMutantsOfALine(t *testing.T) {
	const text = `package p

func f(a, b int) error {
	if a < b && ok(a) {
		a += 2
		return g(0o644)
	}
	if ok(b) {
		done(a,
			b)
	}
	defer close(c)
	done(b)
	return fmt.Errorf("no %d", a)
}
`
	all, err := mutantsOf("p.go", text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, m.show(text))
		if n := strings.Count(m.in(text), "\n"); n != strings.Count(text, "\n") {
			t.Errorf("%s changes %d lines", m.show(text), n)
		}
	}
	slices.Sort(got)
	want := []string{
		"p.go:13: dropped: done(b)",
		`p.go:14: error: fmt.Errorf("no %d", a) becomes nil`,
		"p.go:4: operator: && becomes ||",
		"p.go:4: operator: < becomes <=",
		"p.go:5: constant: 2 becomes (2 + 1)",
		"p.go:5: dropped: a += 2",
		"p.go:8: negated: ok(b) becomes !(ok(b))",
	}
	if !slices.Equal(got, want) {
		t.Errorf("mutants are\n%s", strings.Join(got, "\n"))
	}
}

// A room of a step that is new is tried, too.
func TestEveryRoomOfAStepHasMutants(t *testing.T) {
	for _, room := range rooms {
		if n := len(mutantsIn(t, room)); n < wanted/len(rooms)+1 {
			t.Errorf("%s has only %d mutants", room, n)
		}
	}
	_, plan, _ := strings.Cut(read(t, "firstboot/plan.go"), "steps := []step.Step{")
	plan, _, _ = strings.Cut(plan, "\n\t}\n")
	made := regexp.MustCompile(`(\w+)\.New`).FindAllStringSubmatch(plan, -1)
	if len(made) == 0 {
		t.Fatal("firstboot/plan.go makes no steps")
	}
	for _, m := range made {
		if !slices.Contains(rooms, m[1]) {
			t.Errorf("%s has a step and no mutants", m[1])
		}
	}
}
