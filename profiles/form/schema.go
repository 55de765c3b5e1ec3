package form

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
)

// Described is a type that says itself what may stand in its place.
type Described interface{ Schema() map[string]any }

// Schema is the JSON Schema (draft 2020-12) of a document that is read into a type,
// for editors. It checks single values.
func (f Form) Schema(t reflect.Type) map[string]any {
	s := f.schemaOf(t, "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	return s
}

func (f Form) schemaOf(t reflect.Type, path string) map[string]any {
	k := f.Keys[path]
	s := map[string]any{}
	if k.Doc != "" {
		s["description"] = k.Doc
	}
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		s["type"] = "string"
	case t.Kind() == reflect.Struct:
		f.objectSchema(s, t, path)
		if word, ok := f.Words[path]; ok {
			return map[string]any{"anyOf": []any{s, map[string]any{"const": word.Text}}}
		}
	case t.Implements(reflect.TypeFor[Described]()):
		maps.Copy(s, reflect.Zero(t).Interface().(Described).Schema())
		return s
	case t.Kind() == reflect.Slice:
		f.listSchema(s, t, path)
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Int:
		s["type"] = "integer"
		if k.Min > 0 || k.Max > 0 {
			s["minimum"], s["maximum"] = k.Min, k.Max
		}
	case t.Kind() == reflect.Float64:
		s["type"], s["minimum"], s["maximum"] = "number", k.Min, k.Max
	default:
		s["type"] = "string"
		constrain(s, k)
		if k.Number {
			s["type"] = []string{"string", "integer", "null"}
		}
	}
	return nullable(s, k)
}

func (f Form) listSchema(s map[string]any, t reflect.Type, path string) {
	k := f.Keys[path]
	item := f.schemaOf(t.Elem(), path+"[]")
	if t.Elem().Kind() == reflect.String {
		item = map[string]any{"type": []string{"string", "number"}}
		constrain(item, k)
	}
	s["type"], s["items"] = "array", item
	if k.Min > 0 {
		s["minItems"] = k.Min
	}
	if k.Max > 0 {
		s["maxItems"] = k.Max
	}
}

func (f Form) objectSchema(s map[string]any, t reflect.Type, path string) {
	s["type"] = "object"
	s["additionalProperties"] = false
	properties, required := map[string]any{}, []string{}
	for _, field := range Fields(t) {
		name := Name(field)
		properties[name] = f.schemaOf(field.Type, Join(path, name))
		if f.needed(field.Type, Join(path, name)) {
			required = append(required, name)
		}
	}
	s["properties"] = properties
	if len(required) > 0 {
		s["required"] = required
	}
}

// constrain adds the rules of one word. The empty word means "left out".
func constrain(s map[string]any, k Key) {
	if len(k.Enum) > 0 {
		words := []any{}
		for _, e := range k.Enum {
			words = append(words, e)
		}
		if !k.Required {
			words = append(words, "")
		}
		s["enum"] = words
	}
	if k.Pattern != "" {
		s["pattern"] = fmt.Sprintf("^(?:%s)$", k.Pattern)
		if !k.Required {
			s["pattern"] = fmt.Sprintf("^(?:%s)?$", k.Pattern)
		}
	}
}

// nullable allows "key:" without a value where the key may be left out.
func nullable(s map[string]any, k Key) map[string]any {
	if k.Required {
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
func (f Form) needed(t reflect.Type, path string) bool {
	if f.Keys[path].Required {
		return true
	}
	if t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return false
	}
	for _, field := range Fields(t) {
		if f.needed(field.Type, Join(path, Name(field))) {
			return true
		}
	}
	return false
}
