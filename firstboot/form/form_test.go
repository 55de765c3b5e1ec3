package form

import (
	"fmt"
	"html/template"
	"strings"
	"testing"
)

type disk struct{ Name, Serial string }

type base struct{ Title string }

type rack struct {
	base
	Nodes    []*disk
	Versions map[string]string
	Count    int
	Rate     float64
	Good     bool
	Any      any
	hidden   string
}

func example() rack {
	return rack{base: base{`a "b" <c> & 'd' + e`}, Nodes: []*disk{{"nvme0n1", "S1"}, {"<sda>", ""}}, Versions: map[string]string{"b": "2", "a": "1"},
		Count: 3, Rate: 1.5, Good: true, Any: 7, hidden: "no"}
}

var funcs = map[string]any{
	"p": fmt.Sprintf, "up": strings.ToUpper, "any": func(v any) string { return fmt.Sprint(v) },
	"sure": func(s string) (string, error) {
		if s == "" {
			return "", fmt.Errorf("nothing to be sure of")
		}
		return s, nil
	},
}

// TestFormsAreFilledInAsTheStandardPackageDoes holds the forms against
// html/template, which programs under test may use.
func TestFormsAreFilledInAsTheStandardPackageDoes(t *testing.T) {
	for _, text := range []string{
		`plain`,
		`<p>{{.Title}}</p><p title="{{.Title}}">{{.Count}} {{.Rate}} {{.Good}} {{.Any}}</p>`,
		`{{if .Good}}yes{{else}}no{{end}} {{if not .Good}}yes{{else}}no{{end}} {{if and .Good .Count}}both{{end}}`,
		`{{if and .Good (not .Nodes)}}x{{else}}y{{end}}{{if eq .Count 3}}three{{end}}{{if ne .Title "x"}}other{{end}}`,
		`{{range .Nodes}}<li>{{.Name}}{{if .Serial}} {{.Serial}}{{end}}</li>{{end}}`,
		`{{range $i, $n := .Nodes}}{{if $i}}, {{end}}{{$i}} {{$n.Name}} {{.Serial}}{{end}}`,
		`{{range $k, $v := .Versions}}{{$k}}={{$v}} {{end}}`,
		"a  \n {{- if .Good}}b{{end}}  \n\t{{- range .Nodes}} {{.Name}} {{- end}}\n {{.Count -}} \n c",
		`{{p "%d of %s (%d)" .Count .Title 4}} {{up "q\"x"}} {{any .Any}} {{sure .Title}}`,
		`{{range .Versions}}{{.}}{{else}}none{{end}}`,
	} {
		std, err := template.New("").Funcs(funcs).Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var want, got strings.Builder
		if err := std.Execute(&want, example()); err != nil {
			t.Fatal(err)
		}
		f, err := Parse(text, funcs, EscapeHTML)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := f.Fill(&got, example()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got.String() != want.String() {
			t.Errorf("%s\ngives %q\nwant  %q", text, got.String(), want.String())
		}
	}
}

func TestWhatFormsRefuse(t *testing.T) {
	for text, want := range map[string]string{
		"a\n{{if .Good}}":           "form, line 2: if .Good has no end",
		"{{end}}":                   "form, line 1: end without a beginning",
		"\n\n{{frob .Good}}":        "form, line 3: no function frob",
		"{{.Title | up}}":           `form, line 1: "| up" after .Title | up`,
		"{{}}":                      "form, line 1: nothing between the braces",
		"{{up (.Title}}":            "form, line 1: a parenthesis is not closed",
		`{{up "x}}`:                 `form, line 1: "x: a string is not closed`,
		"{{range $i := .Nodes}}":    "form, line 1: range $i := .Nodes needs two variables",
		"{{if .Good}}{{else x}}":    `form, line 1: "x" after else`,
		"{{.Missing}}":              "form: no field Missing in form.rack",
		"{{.hidden}}":               "form: no field hidden in form.rack",
		"{{.Title.Name}}":           "form: no field Name in a string",
		"{{$x}}":                    "form: no variable $x",
		"{{range .Count}}{{end}}":   "form: cannot range over int",
		"{{up .Count}}":             "form: up takes a string, not a int",
		"{{up .Title .Title}}":      "form: up takes 1 arguments, not 2",
		`{{sure ""}}`:               "form: sure: nothing to be sure of",
		"{{range .Nodes}}{{.Good}}": "form, line 1: range .Nodes has no end",
	} {
		f, err := Parse(text, funcs, nil)
		if err == nil {
			var out strings.Builder
			err = f.Fill(&out, example())
			if out.Len() > 0 {
				t.Errorf("%s: half of it was written: %q", text, out.String())
			}
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}

func TestRawIsWrittenAsItIs(t *testing.T) {
	f, err := Parse("{{box}}{{.}}", Funcs{"box": func() Raw { return "<b>" }}, EscapeHTML)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := f.Fill(&out, "<i>"); err != nil || out.String() != "<b>&lt;i&gt;" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
