package docs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringboot/docs"
	"ringboot/rehearsal/need"
)

func TestEverySentenceFindsItsOwnEntry(t *testing.T) {
	all := docs.Entries()
	if len(all) < 100 {
		t.Fatalf("%d entries only", len(all))
	}
	for _, e := range all {
		said := strings.ReplaceAll(e.Sentence, "…", "wittgenstein")
		found := docs.Explain("have 2/3, step 5 of 11, peers at frege: " + said)
		if len(found) == 0 {
			t.Errorf("nothing explains %q", said)
			continue
		}
		has := false
		for _, f := range found {
			has = has || f.Sentence == e.Sentence
		}
		if !has {
			t.Errorf("%q is explained by %q", said, found[0].Sentence)
		}
	}
}

func TestASentenceThatIsNearlyRightIsFound(t *testing.T) {
	found := docs.Explain("the machine has NO host name, write it somewhere and restart")
	if len(found) != 1 || !strings.HasPrefix(found[0].Sentence, "the machine has no host name") || found[0].Section != "Who this machine is" {
		t.Errorf("found %+v", found)
	}
	for _, text := range []string{"", "hello", "the quick brown fox jumps over the lazy dog"} {
		if found := docs.Explain(text); len(found) > 0 {
			t.Errorf("%q finds %+v", text, found)
		}
	}
}

// mostWords is how long the first help may be: who looks something up does not read a book.
const mostWords = 4000

func TestTroubleshootingIsShort(t *testing.T) {
	text, err := os.ReadFile("troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	n := len(strings.Fields(string(text)))
	need.Figure("docs.words_troubleshooting", n, "count")
	if n > mostWords {
		t.Errorf("troubleshooting.md has %d words, at most %d are read", n, mostWords)
	}
}

// quoted is what a row of troubleshooting.md has a program say.
var quoted = regexp.MustCompile(`"([^"]+)"`)

// TestWhatOneSeesIsSaid holds the words that troubleshooting.md quotes against
// the programs: each is in a source file, whatever its gaps stand for.
func TestWhatOneSeesIsSaid(t *testing.T) {
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == ".git" || d.Name() == "build" || d.Name() == "testdata") {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".tmpl") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(bytes.ToLower(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		sees, _, _ := strings.Cut(line[2:], " | ")
		for _, m := range quoted.FindAllStringSubmatch(sees, -1) {
			n++
			for part := range strings.SplitSeq(strings.ToLower(m[1]), "...") {
				if part = strings.TrimSpace(part); !strings.Contains(all.String(), part) {
					t.Errorf("troubleshooting.md:%d: no program says %q", i+1, part)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("%d quotes only", n)
	}
}
