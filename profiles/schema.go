package profiles

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// SchemaID names the JSON Schema of this format.
const SchemaID = "https://ringboot.invalid/profile-1.json"

// Schema is the JSON Schema (draft 2020-12) of a profile, for editors. It
// checks single values; rules that need two of them are Load's.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[Profile](), "", keyTable())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "Ringboot profile"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("schema: " + err.Error()) // maps of strings and numbers: cannot happen
	}
	return append(text, '\n')
}

func schemaOf(t reflect.Type, path string, table map[string]key) map[string]any {
	k := table[path]
	s := map[string]any{}
	if k.doc != "" {
		s["description"] = k.doc
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		s["type"] = "string"
	case t.Kind() == reflect.Struct:
		objectSchema(s, t, path, table)
		if path == restPath {
			return map[string]any{"anyOf": []any{s, map[string]any{"const": RestWord}}}
		}
	case t == reflect.TypeFor[Consent]():
		s["type"] = []string{"boolean", "string", "null"}
		s["enum"] = []any{false, true, string(ConsentAsk), nil}
		return s
	case t.Kind() == reflect.Slice:
		s["type"] = "array"
		item := schemaOf(t.Elem(), path+"[]", table)
		if t.Elem().Kind() == reflect.String {
			item = map[string]any{"type": []string{"string", "number"}}
			constrain(item, k)
		}
		s["items"] = item
		if k.min > 0 {
			s["minItems"] = k.min
		}
		if k.max > 0 {
			s["maxItems"] = k.max
		}
		return nullable(s, k)
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Int:
		s["type"] = "integer"
		if k.min > 0 || k.max > 0 {
			s["minimum"], s["maximum"] = k.min, k.max
		}
	case t.Kind() == reflect.Float64:
		s["type"], s["minimum"], s["maximum"] = "number", k.min, k.max
	default:
		s["type"] = "string"
		constrain(s, k)
		if k.number {
			s["type"] = []string{"string", "integer", "null"}
		}
	}
	return nullable(s, k)
}

func objectSchema(s map[string]any, t reflect.Type, path string, table map[string]key) {
	s["type"] = "object"
	s["additionalProperties"] = false
	properties, required := map[string]any{}, []string{}
	for _, f := range fields(t) {
		name := yamlName(f)
		properties[name] = schemaOf(f.Type, join(path, name), table)
		if needed(f.Type, join(path, name), table) {
			required = append(required, name)
		}
	}
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
}

// constrain adds the rules of one word. The empty word means "left out".
func constrain(s map[string]any, k key) {
	if len(k.enum) > 0 {
		words := []any{}
		for _, e := range k.enum {
			words = append(words, e)
		}
		if !k.required {
			words = append(words, "")
		}
		s["enum"] = words
	}
	if k.pattern != "" {
		s["pattern"] = fmt.Sprintf("^(?:%s)$", k.pattern)
		if !k.required {
			s["pattern"] = fmt.Sprintf("^(?:%s)?$", k.pattern)
		}
	}
}

// nullable allows "key:" without a value where the key may be left out.
func nullable(s map[string]any, k key) map[string]any {
	if k.required {
		return s
	}
	if t, ok := s["type"].(string); ok {
		s["type"] = []string{t, "null"}
	}
	if words, ok := s["enum"].([]any); ok {
		s["enum"] = append(words, nil)
	}
	return s
}

// needed reports whether a key must be in the text: because its row says so or
// because one below it is required.
func needed(t reflect.Type, path string, table map[string]key) bool {
	if table[path].required {
		return true
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return false
	}
	for _, f := range fields(t) {
		if needed(f.Type, join(path, yamlName(f)), table) {
			return true
		}
	}
	return false
}
