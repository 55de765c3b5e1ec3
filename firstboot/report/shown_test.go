package report

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// unshown are fields that a reader of the report needs not see, each with why.
var unshown = map[string]string{
	"Report.Version":  "the format of the JSON file",
	"Issue.Concluded": "how the issue came to be there",
	"Drill.Name":      "its title is shown",
	"Drill.ByLinks":   "says where the outcome is told",
	"Drill.Started":   "how long drills took is among the times",
	"Drill.Ended":     "how long drills took is among the times",
	"NodeRow.NodeID":  "corosync's own number; the names are shown",
	"Moment.Time":     "how long after the cut it was is shown",
	"Issue.Time":      "the journal says when; the report, that it happened",
}

// A field that no page shows is in the JSON file alone, and nobody reads it: a
// page in which another value of it changes nothing does not show it.
func TestEveryFieldOfTheReportIsShown(t *testing.T) {
	for page, render := range map[string]func(*Report) ([]byte, error){"the page": (*Report).HTML, "the Markdown": (*Report).Markdown} {
		shown := map[string]bool{}
		for _, r := range []*Report{good(), bad()} {
			draw := func() []byte {
				text, err := render(r)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			was := draw()
			eachField(reflect.ValueOf(r).Elem(), func(name string, v reflect.Value) {
				if shown[name] {
					return
				}
				old := reflect.New(v.Type()).Elem()
				old.Set(v)
				alter(v)
				shown[name] = !bytes.Equal(was, draw())
				v.Set(old)
			})
		}
		for _, name := range slices.Sorted(maps.Keys(shown)) {
			switch {
			case !shown[name] && unshown[name] == "":
				t.Errorf("%s shows nothing of %s", page, name)
			case shown[name] && unshown[name] != "":
				t.Errorf("stale: %s shows %s", page, name)
			}
		}
	}
}

// eachField visits the fields of a report's value that hold one value, and
// those of all that it holds. A list that is empty gets one entry for the visit.
func eachField(v reflect.Value, visit func(name string, v reflect.Value)) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Name()+"."+v.Type().Field(i).Name
		within := func(e reflect.Value) bool {
			return e.Kind() == reflect.Struct && strings.HasSuffix(e.Type().PkgPath(), "/report")
		}
		switch {
		case within(f):
			eachField(f, visit)
		case f.Kind() == reflect.Slice && within(reflect.New(f.Type().Elem()).Elem()):
			old := f.Len()
			if old == 0 {
				f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
			}
			for j := range f.Len() {
				eachField(f.Index(j), visit)
			}
			f.SetLen(old)
		default:
			visit(name, f)
		}
	}
}

// alter gives a field another value.
func alter(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(v.Interface().(time.Time).Add(time.Hour)))
	case v.Kind() == reflect.String:
		v.SetString("other")
	case v.CanInt():
		v.SetInt(v.Int() + 1e12)
	case v.CanFloat():
		v.SetFloat(v.Float() + 1e6)
	case v.Kind() == reflect.Bool:
		v.SetBool(!v.Bool())
	case v.Kind() == reflect.Slice:
		other := reflect.New(v.Type().Elem()).Elem()
		alter(other)
		v.Set(reflect.Append(v, other))
	default:
		v.SetZero()
	}
}
