package docs_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write new sentences into sentences.md, to be explained by hand")

// speaking are the calls whose text may become the reason of a step: verdicts,
// and errors, which the engine turns into a reason to wait. What a finished
// step says, and what a step is about to do, needs no remedy.
var speaking = []string{"Wait", "Stop", "waits", "stopped", "cephWait", "cephStop", "stopPorts", "failed", "say", "Errorf", "New", "Sprintf"}

// verbs of a format, which stand for what differs.
var verb = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?[0-9]*(\.[0-9]+)?[a-zA-Z]`)

// word is a word that the text itself brings.
var word = regexp.MustCompile(`[A-Za-z]{2,}`)

// sentences returns what a source file can say, as sentences.md writes it.
// A phrase of up to three words is the frame of another sentence, not one.
func sentences(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !slices.Contains(speaking, called(call)) {
			return true
		}
		for _, arg := range call.Args {
			s := verb.ReplaceAllString(text(arg), "…")
			if len(word.FindAllString(s, -1)) >= 4 && !strings.Contains(s, "\n") && !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}

func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

// text is a string expression with … for what is only known later.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return s
		}
	case *ast.BinaryExpr:
		if l, r := text(e.X), text(e.Y); e.Op == token.ADD && l+r != "" {
			if l == "" {
				l = "…"
			}
			if r == "" {
				r = "…"
			}
			return l + r
		}
	}
	return ""
}

// A section of sentences.md names its source files in a comment below its title.
var sources = regexp.MustCompile(`^<!-- says: (.*) -->$`)

// row is one sentence of the document with its explanation.
var row = regexp.MustCompile("^\\| `(.*?)` \\| (.*) \\|$")

const unexplained = "?"

// TestEverySentenceIsExplained compares sentences.md with the code. A new
// sentence is brought into it by go test ./docs -update, and then explained by hand.
func TestEverySentenceIsExplained(t *testing.T) {
	const document = "sentences.md"
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	known := map[string]string{}
	for _, l := range lines {
		if m := row.FindStringSubmatch(l); m != nil {
			known[m[1]] = m[2]
		}
	}
	var out []string
	listed := map[string]bool{}
	covered := map[string]bool{}
	inSection := false
	for _, l := range lines {
		if inSection && strings.HasPrefix(l, "|") {
			continue // written anew
		}
		out = append(out, l)
		if inSection && strings.HasPrefix(l, "## ") {
			inSection = false
		}
		m := sources.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		inSection = true
		out = append(out, "", "| it says | what it means, and what to do |", "|---|---|")
		for _, s := range said(t, strings.Fields(m[1]), covered) {
			if listed[s] {
				continue
			}
			listed[s] = true
			why, ok := known[s]
			if !ok {
				why = unexplained
			}
			out = append(out, fmt.Sprintf("| `%s` | %s |", s, why))
			if why == unexplained || len(word.FindAllString(why, -1)) < 3 {
				t.Errorf("nobody explains %q (%s); go test ./docs -update brings it in, write what to do", s, m[1])
			}
		}
	}
	for s := range known {
		if !listed[s] {
			t.Errorf("%s explains %q, which nothing says any more", document, s)
		}
	}
	for _, file := range speakers(t) {
		if !covered[file] && len(sentences(t, filepath.Join("..", file))) > 0 {
			t.Errorf("%s says something and no section of %s names it", file, document)
		}
	}
	switch rendered := squeeze(out); {
	case *update:
		if err := os.WriteFile(document, []byte(rendered), 0o644); err != nil {
			t.Fatal(err)
		}
	case rendered != string(content) && !t.Failed():
		t.Errorf("the tables of %s are not in the order of the code: go test ./docs -update", document)
	}
}

// squeeze drops doubled empty lines.
func squeeze(lines []string) string {
	lines = slices.CompactFunc(lines, func(a, b string) bool { return a == "" && b == "" })
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

func said(t *testing.T, files []string, covered map[string]bool) []string {
	t.Helper()
	var all []string
	for _, f := range files {
		covered[f] = true
		all = append(all, sentences(t, filepath.Join("..", f))...)
	}
	return all
}

// stepRooms are the rooms that know what a step is: those of the steps, and
// of what runs them.
func stepRooms(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "firstboot", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var rooms []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		knows := slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"ringboot/firstboot/step"` })
		if room := "firstboot/" + filepath.Base(filepath.Dir(file)); knows && !strings.HasSuffix(file, "_test.go") && !slices.Contains(rooms, room) {
			rooms = append(rooms, room)
		}
	}
	if !slices.Contains(rooms, "firstboot/gate") || !slices.Contains(rooms, "firstboot/engine") {
		t.Fatalf("the rooms of the steps are %v", rooms)
	}
	return rooms
}

// speakers are the files whose sentences reach a person through a step.
func speakers(t *testing.T) []string {
	t.Helper()
	var all, patterns []string
	for _, room := range stepRooms(t) {
		patterns = append(patterns, room+"/*.go")
	}
	for _, pattern := range append(patterns, "firstboot/step/*.go", "firstboot/apt/*.go", "firstboot/upgrade/*.go", "firstboot/ring/[chivw]*.go", "firstboot/ring/verdict/*.go", "firstboot/pve/*.go", "firstboot/trust/identity.go", "firstboot/trust/deputy.go", "firstboot/trust/bindings/book.go", "firstboot/trust/bindings/change.go", "firstboot/trust/client.go",
		"firstboot/trust/server.go", "firstboot/trust/envelope.go", "firstboot/host/files.go", "firstboot/keeper/*.go", "firstboot/settled/*.go", "firstboot/*.go") {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				all = append(all, strings.TrimPrefix(filepath.ToSlash(f), "../"))
			}
		}
	}
	return all
}

func TestSentencesAreFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.go")
	source := "package x\nfunc f() { Wait(fmt.Sprintf(\"waits for %s to come (%v)\", a, b)); Do(\"not this one here\"); Stop(\"look at \" + path + \" and mend it\"); fmt.Errorf(\"read %s: %w\", p, err) }\n"
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []string{"waits for … to come (…)", "look at … and mend it"}
	if got := sentences(t, file); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
