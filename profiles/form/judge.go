package form

import (
	"fmt"
	"reflect"
	"strings"
)

// At reports a problem at the place of a path, or of the nearest parent that
// stands in the text.
func (r *Reading) At(path, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	where, p := place{}, path
	for {
		if found, ok := r.places[p]; ok {
			where = found
			break
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			where = r.places[""]
			break
		}
		p = p[:cut]
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: where.line, Col: where.col, Path: path, Text: fmt.Sprintf(format, args...)})
}

// Broken reports whether a problem was found at the path or below it already.
func (r *Reading) Broken(path string) bool {
	for _, p := range r.problems {
		if p.Path == path || strings.HasPrefix(p.Path, path+".") || strings.HasPrefix(p.Path, path+"[") {
			return true
		}
	}
	return false
}

// Required names what must be in the text and is not.
func (r *Reading) Required(into any) { r.required(reflect.ValueOf(into).Elem(), "") }

func (r *Reading) required(v reflect.Value, path string) {
	for _, f := range Fields(v.Type()) {
		field, name := v.FieldByIndex(f.Index), Join(path, Name(f))
		k := r.form.Keys[Generic(name)]
		if k.Required && field.IsZero() && !r.Broken(name) {
			r.At(name, "is missing; %s", firstSentence(k.Doc))
		}
		switch {
		case field.Kind() == reflect.Struct && field.Type().PkgPath() == v.Type().PkgPath():
			r.required(field, name)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct && field.Type().Elem().PkgPath() == v.Type().PkgPath():
			for j := range field.Len() {
				r.required(field.Index(j), fmt.Sprintf("%s[%d]", name, j))
			}
		}
	}
}

func firstSentence(doc string) string {
	s, _, _ := strings.Cut(doc, ". ")
	s = strings.TrimSuffix(s, ".")
	return strings.ToLower(s[:1]) + s[1:]
}
