package ringboot_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// parserName is how what reads bytes that come from outside is called.
var parserName = regexp.MustCompile(`^(Parse|Decode|FindTable)`)

// ours are parsers whose texts never come from outside.
var ours = map[string]string{
	"rehearsal": "the stand-ins read what the rehearsal itself has made",
}

// Every exported parser of bytes or text is called by a fuzz target of its room;
// .ci/fuzz runs all targets that there are.
func TestEveryParserIsFuzzed(t *testing.T) {
	parsers, called := map[string]string{}, map[string]bool{}
	for _, s := range sources(t) {
		room := s.room()
		if top, _, _ := strings.Cut(room, "/"); ours[top] != "" {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil {
				continue
			}
			switch {
			case s.test() && strings.HasPrefix(f.Name.Name, "Fuzz"):
				ast.Inspect(f, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						called[room+"."+id.Name] = true
					}
					return true
				})
			case !s.test() && parserName.MatchString(f.Name.Name) && readsText(f):
				parsers[room+"."+f.Name.Name] = s.set.Position(f.Pos()).String()
			}
		}
	}
	without := 0
	for name, at := range parsers {
		if !called[name] {
			without++
			t.Errorf("%s: %s reads what comes from outside, and no fuzz target of its room calls it", at, name)
		}
	}
	fmt.Printf("\nfigure fuzz.parsers %d count\nfigure fuzz.parsers_without_target %d count\n", len(parsers), without)
	if len(parsers) < 20 {
		t.Errorf("only %d parsers were found: the rule does not see them any more", len(parsers))
	}
}

// readsText reports whether a function takes bytes, text or a medium.
func readsText(f *ast.FuncDecl) bool {
	for _, p := range f.Type.Params.List {
		switch e := p.Type.(type) {
		case *ast.Ident:
			if e.Name == "string" {
				return true
			}
		case *ast.ArrayType:
			return true
		case *ast.SelectorExpr:
			if e.Sel.Name == "ReaderAt" || e.Sel.Name == "Reader" {
				return true
			}
		}
	}
	return false
}
