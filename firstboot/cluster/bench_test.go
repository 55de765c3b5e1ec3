package cluster

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// BenchmarkRoom counts what the step needs: the lines of the room beside the
// proof, and the rows of its decider, which are the places where it decides.
// Before the founding at once they were 1,223 and 32.
func BenchmarkRoom(b *testing.B) {
	for b.Loop() {
		files, err := filepath.Glob("*.go")
		if err != nil {
			b.Fatal(err)
		}
		lines := 0
		for _, f := range files {
			if raw, err := os.ReadFile(f); err == nil && !strings.HasSuffix(f, "_test.go") && f != "proof.go" {
				lines += strings.Count(string(raw), "\n")
			}
		}
		need.Figure("cluster.lines", lines, "count")
		need.Figure("cluster.states", rows(b, "decide.go"), "count")
	}
}

// rows counts the verdicts that a file can give.
func rows(b *testing.B, file string) int {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			if name, ok := call.Fun.(*ast.Ident); ok && (name.Name == "waits" || name.Name == "stopped" || name.Name == "does") {
				n++
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "IsDone" {
				n++
			}
		}
		return true
	})
	return n
}
