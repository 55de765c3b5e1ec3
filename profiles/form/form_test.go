package form

import (
	"reflect"
	"strings"
	"testing"
)

type drawer struct {
	Label string `yaml:"label"`
	Depth int    `yaml:"depth"`
}

type desk struct {
	Name    string   `yaml:"name"`
	Wood    string   `yaml:"wood"`
	Drawers []drawer `yaml:"drawers"`
}

func form() Form {
	return Form{
		Keys: map[string]Key{
			"name":            {Path: "name", Doc: "How it is called. Anything.", Pattern: "[a-z]+", Says: "small letters", Required: true},
			"wood":            {Path: "wood", Enum: []string{"oak", "beech"}},
			"drawers":         {Path: "drawers", Max: 2},
			"drawers[].depth": {Path: "drawers[].depth", Min: 10, Max: 50},
		},
		Words:   map[string]Word{"drawers[]": {Text: "secret", Means: drawer{Label: "secret", Depth: 10}}},
		Refused: func(path string) string { return map[string]string{"legs": "it hangs"}[path] },
	}
}

// Every mistake has its place, and what to write instead.
func TestReading(t *testing.T) {
	for text, want := range map[string]string{
		"name: a\nwood: oak\ndrawers: [{depth: 12}, secret]": "",
		"name: A\nwood: oka\ndrawers: [{depth: 9}, {deep: 1}]": `d.yaml:1:7: name: "A" is not allowed; write small letters
d.yaml:2:7: wood: "oka" is not known; allowed: oak, beech; did you mean oak?
d.yaml:3:19: drawers[0].depth: 9 is not allowed; write 10 to 50
d.yaml:3:24: drawers[1].deep: unknown key; allowed: label, depth`,
		"wood: secret\nlegs: 4": `d.yaml:1:1: name: is missing; how it is called
d.yaml:1:7: wood: "secret" is not known; allowed: oak, beech
d.yaml:2:1: legs: unknown key: it hangs`,
		"name: [a]\nname: b": `d.yaml:1:7: name: one value is expected here, not a list
d.yaml:2:1: name: stands here for the second time, first in line 1; keep one`,
		"":     "d.yaml: is empty; write one with mkimage init",
		"a: [": "d.yaml:1:1: this is not YAML: did not find expected node content",
	} {
		var got desk
		r, err := form().Read("d.yaml", []byte(text), &got)
		if err == nil {
			r.Required(&got)
			err = r.Err()
		}
		if want == "" {
			if err != nil || !r.Written("drawers[1]") || r.Written("legs") || got.Drawers[1].Label != "secret" {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
		} else if err == nil || err.Error() != want {
			t.Errorf("%q:\ngot\n%v\nwant\n%s", text, err, want)
		}
	}
}

// The schema is that of the same table.
func TestSchema(t *testing.T) {
	s := form().Schema(reflect.TypeFor[desk]())
	properties := s["properties"].(map[string]any)
	wood := properties["wood"].(map[string]any)
	if required := s["required"].([]string); strings.Join(required, " ") != "name" || len(wood["enum"].([]any)) != 4 {
		t.Errorf("required %v, wood %v", required, wood)
	}
	item := properties["drawers"].(map[string]any)["items"].(map[string]any)
	if _, ok := item["anyOf"]; !ok {
		t.Errorf("the word has no place in %v", item)
	}
}
