package ringboot_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// BenchmarkHouse counts what the rules of the house bound.
func BenchmarkHouse(b *testing.B) {
	product, rehearsal, functions, tangled := 0, 0, 0, 0
	rooms := map[string]int{}
	for _, s := range sources(b) {
		if s.test() {
			continue
		}
		rooms[s.room()] += s.lines
		if strings.HasPrefix(s.path, "rehearsal/") || strings.HasPrefix(s.path, "cmd/rehearse/") {
			rehearsal += s.lines
		} else {
			product += s.lines
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				functions++
				if paths(f) > 15 {
					tangled++
				}
			}
		}
	}
	largest, name := 0, ""
	for room, lines := range rooms {
		if lines > largest {
			largest, name = lines, room
		}
	}
	b.Logf("the largest room is %s; %d of %d functions have more than 15 paths", name, tangled, functions)
	fmt.Printf("\nfigure house.lines_product %d lines\nfigure house.lines_rehearsal %d lines\nfigure house.largest_room %d lines\nfigure house.functions_over_15_percent %.2f %%\n",
		product, rehearsal, largest, 100*float64(tangled)/float64(functions))
}

// paths is the cyclomatic complexity of a function: one, and one more for each
// place where the way parts.
func paths(f *ast.FuncDecl) int {
	n := 1
	ast.Inspect(f, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			n++
		case *ast.CaseClause:
			if x.List != nil {
				n++
			}
		case *ast.CommClause:
			if x.Comm != nil {
				n++
			}
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				n++
			}
		}
		return true
	})
	return n
}
