package report

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// unshown are fields that a reader of the report needs not see, each with why.
var unshown = map[string]string{
	"Report.Version":  "the format of the JSON file",
	"Verdict.Outcome": "shown by colour and word of the sentence",
	"Issue.Concluded": "how the issue came to be there",
	"Login.Users":     "shown by login",
	"Login.Realm":     "shown by login",
	"Drill.Name":      "its title is shown, by drillName",
	"Drill.Title":     "shown by drillName",
	"Drill.ByLinks":   "says where the outcome is told",
	"Drill.Started":   "how long drills took is among the times",
	"Drill.Ended":     "how long drills took is among the times",

	"Cluster.ConfigVersion": "a number that says nothing beside whether the file is the same on all nodes",
	"Node.NodeID":           "corosync's own number; the names are shown",
	"Pool.MinSize":          "follows from the number of copies",
}

// A field that stands in no template is in the JSON file alone, and nobody reads it.
func TestEveryFieldOfTheReportIsShown(t *testing.T) {
	for _, file := range []string{"report.html.tmpl", "report.md.tmpl"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code, err := os.ReadFile("render.go")
		if err != nil {
			t.Fatal(err)
		}
		eachField(reflect.TypeFor[Report](), map[reflect.Type]bool{}, func(owner, field, key string) {
			if unshown[owner+"."+field] != "" {
				return
			}
			word := regexp.MustCompile(`\.` + field + `\b`)
			if !word.Match(text) && !word.Match(code) && !strings.Contains(string(text), key) {
				t.Errorf("%s shows nothing of %s.%s", file, owner, field)
			}
		})
	}
}

// eachField visits the fields of a type and of all that it holds.
func eachField(t reflect.Type, seen map[reflect.Type]bool, visit func(owner, field, key string)) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasSuffix(t.PkgPath(), "/report") {
		return
	}
	seen[t] = true
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		visit(t.Name(), t.Field(i).Name, key)
		eachField(t.Field(i).Type, seen, visit)
	}
}
