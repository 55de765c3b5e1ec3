package form

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// state is one filling in of a form.
type state struct {
	form *Form
	out  *strings.Builder
	vars []variable // the innermost last
}

type variable struct {
	name  string
	value reflect.Value
}

func (s *state) run(nodes []node, dot reflect.Value) error {
	for _, n := range nodes {
		if n.kind == kindText {
			s.out.WriteString(n.text)
			continue
		}
		v, err := s.eval(n.expr, dot)
		if err != nil {
			return err
		}
		switch n.kind {
		case kindPrint:
			s.print(v)
		case kindIf:
			branch := n.or
			if truth(v) {
				branch = n.then
			}
			err = s.run(branch, dot)
		case kindRange:
			err = s.each(n, v, dot)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// each runs the body of a range for the elements of a list or a map, the
// latter in the order of its keys, which are strings.
func (s *state) each(n node, list, dot reflect.Value) error {
	list = direct(list)
	var keys, values []reflect.Value
	switch list.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range list.Len() {
			keys, values = append(keys, reflect.ValueOf(i)), append(values, list.Index(i))
		}
	case reflect.Map:
		for it := list.MapRange(); it.Next(); {
			keys = append(keys, it.Key())
		}
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			values = append(values, list.MapIndex(k))
		}
	default:
		return fmt.Errorf("cannot range over %s", list.Kind())
	}
	if len(values) == 0 {
		return s.run(n.or, dot)
	}
	depth := len(s.vars)
	defer func() { s.vars = s.vars[:depth] }()
	for i, v := range values {
		s.vars = s.vars[:depth]
		if n.index != "" {
			s.vars = append(s.vars, variable{n.index, keys[i]}, variable{n.val, v})
		}
		if err := s.run(n.then, v); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) eval(e expr, dot reflect.Value) (reflect.Value, error) {
	switch {
	case e.literal.IsValid():
		return e.literal, nil
	case e.call == "and":
		return s.and(e.args, dot)
	case e.call != "":
		return s.call(e, dot)
	}
	v := dot
	if e.variable != "" {
		i := slices.IndexFunc(s.vars, func(v variable) bool { return v.name == e.variable })
		for j := i; j >= 0 && j < len(s.vars); j++ {
			if s.vars[j].name == e.variable {
				i = j // the innermost of the name
			}
		}
		if i < 0 {
			return v, fmt.Errorf("no variable %s", e.variable)
		}
		v = s.vars[i].value
	}
	for _, name := range e.fields {
		v = direct(v)
		if v.Kind() != reflect.Struct {
			return v, fmt.Errorf("no field %s in a %s", name, v.Kind())
		}
		f := v.FieldByName(name)
		if !f.IsValid() || !f.CanInterface() {
			return v, fmt.Errorf("no field %s in %s", name, v.Type())
		}
		v = f
	}
	return v, nil
}

// and is the first argument that is not true, or the last.
func (s *state) and(args []expr, dot reflect.Value) (v reflect.Value, err error) {
	for _, a := range args {
		if v, err = s.eval(a, dot); err != nil || !truth(v) {
			return v, err
		}
	}
	return v, nil
}

func (s *state) call(e expr, dot reflect.Value) (reflect.Value, error) {
	fn := s.form.funcs[e.call]
	t := fn.Type()
	if len(e.args) != t.NumIn() && (!t.IsVariadic() || len(e.args) < t.NumIn()-1) {
		return reflect.Value{}, fmt.Errorf("%s takes %d arguments, not %d", e.call, t.NumIn(), len(e.args))
	}
	var in []reflect.Value
	for i, a := range e.args {
		v, err := s.eval(a, dot)
		if err != nil {
			return v, err
		}
		want := t.In(min(i, t.NumIn()-1))
		if t.IsVariadic() && i >= t.NumIn()-1 {
			want = want.Elem()
		}
		if !v.Type().AssignableTo(want) {
			return v, fmt.Errorf("%s takes a %s, not a %s", e.call, want, v.Type())
		}
		in = append(in, v)
	}
	out := fn.Call(in)
	if len(out) == 2 && !out[1].IsNil() {
		return out[0], fmt.Errorf("%s: %w", e.call, out[1].Interface().(error))
	}
	return out[0], nil
}

func (s *state) print(v reflect.Value) {
	if v = direct(v); !v.IsValid() {
		return
	}
	text := fmt.Sprint(v.Interface())
	if v.Type() != reflect.TypeFor[Raw]() {
		text = s.form.escape(text)
	}
	s.out.WriteString(text)
}

// direct follows pointers and interfaces to the value behind them.
func direct(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// truth tells whether a value is there and not zero or empty.
func truth(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return false
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() > 0
	case reflect.Interface:
		return truth(v.Elem())
	}
	return v.Kind() == reflect.Struct || !v.IsZero()
}

// equal compares strings and numbers of whatever named types.
func equal(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case x.Kind() == reflect.String && y.Kind() == reflect.String:
		return x.String() == y.String()
	case x.CanInt() && y.CanInt():
		return x.Int() == y.Int()
	}
	return false
}
