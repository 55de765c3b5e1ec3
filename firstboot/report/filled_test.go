package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Whoever makes a report fills each of its fields: one that is only drawn is
// drawn empty on every report, and every page of a test is right.
func TestEveryFieldOfTheReportIsFilled(t *testing.T) {
	set := map[string]bool{} // Type.Field of a literal, Type.* of one without names, .Field of an assignment
	for _, room := range []string{".", "../reporting", "../acceptance"} {
		files, err := filepath.Glob(filepath.Join(room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", room, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool { fills(n, set); return true })
		}
	}
	fields := 0
	eachField(reflect.ValueOf(good()).Elem(), func(name string, _ reflect.Value) {
		of, field, _ := strings.Cut(name, ".")
		if fields++; !set[name] && !set["."+field] && !set[of+".*"] {
			set[name] = true // once is enough
			t.Errorf("nobody fills %s: firstboot/reporting does, from what a node says of itself or the record of the drills", name)
		}
	})
	if fields < 100 || set["Report.Nobody"] || set[".Nobody"] {
		t.Errorf("%d fields were looked at", fields)
	}
}

// fills notes which fields a literal or an assignment gives a value.
func fills(n ast.Node, set map[string]bool) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for _, to := range n.Lhs {
			if s, ok := to.(*ast.SelectorExpr); ok {
				set["."+s.Sel.Name] = true
			}
		}
	case *ast.CompositeLit:
		of := n.Type
		list := []ast.Expr{n}
		if a, ok := of.(*ast.ArrayType); ok {
			of, list = a.Elt, n.Elts
		}
		name := typeName(of)
		for _, l := range list {
			c, ok := l.(*ast.CompositeLit)
			if !ok {
				continue
			}
			for _, e := range c.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				if !ok { // the compiler wants all of them
					set[name+".*"] = true
					break
				}
				if key, ok := kv.Key.(*ast.Ident); ok {
					set[name+"."+key.Name] = true
				}
			}
		}
	}
}

// typeName is the name of a type of this package, here or outside.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && x.Name == "report" {
			return e.Sel.Name
		}
	}
	return ""
}
