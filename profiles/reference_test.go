package profiles

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"ringboot/profiles/form"
)

// reference is docs/profile.md: every key with its type, rules, default and
// meaning, from the same table that checks them.
func reference() []byte {
	var out bytes.Buffer
	fmt.Fprint(&out, `# The profile, key by key

One YAML file says what a cluster is. `+"`mkimage init`"+` writes a commented one to edit; `+"`mkimage plan`"+` says what
would come of it. Every mistake is reported at once, as `+"`file:line:column: key: what, allowed, remedy`"+`.
`+"`mkimage init --schema`"+` prints the JSON Schema for editors.

This page is generated from the types that read the profile (`+"`go generate ./profiles`"+`).

`)
	defaults := base()
	defaults.derive(func(string) bool { return false })
	section := ""
	for _, k := range keys() {
		top, _, nested := strings.Cut(k.Path, ".")
		if name := strings.TrimSuffix(top, "[]"); name != section {
			section = name
			fmt.Fprintf(&out, "## %s\n\n", section)
			if nested {
				fmt.Fprint(&out, "| key | value | default | meaning |\n|---|---|---|---|\n")
			} else if name != "version" {
				fmt.Fprintf(&out, "%s%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", k.Doc, lengths(k))
				continue
			} else {
				fmt.Fprint(&out, "| key | value | default | meaning |\n|---|---|---|---|\n")
			}
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", k.Path, values(k), defaultOf(defaults, k), k.Doc)
		if next := following(k.Path); next != section {
			fmt.Fprintln(&out)
		}
	}
	return out.Bytes()
}

// following is the section of the key after this one.
func following(path string) string {
	all := keys()
	for i, k := range all {
		if k.Path == path && i+1 < len(all) {
			top, _, _ := strings.Cut(all[i+1].Path, ".")
			return strings.TrimSuffix(top, "[]")
		}
	}
	return ""
}

func lengths(k form.Key) string {
	switch {
	case k.Min == k.Max && k.Min > 0:
		return fmt.Sprintf(" Exactly %d.", k.Min)
	case k.Max > 0:
		return fmt.Sprintf(" At most %d.", k.Max)
	}
	return ""
}

func values(k form.Key) string {
	t := typeAt(k.Path)
	if len(k.Enum) > 6 {
		return "`" + strings.Join(k.Enum, "` `") + "`"
	}
	switch {
	case len(k.Enum) > 0:
		return "`" + strings.Join(k.Enum, "`, `") + "`"
	case t.Kind() == reflect.Bool:
		return "`true`, `false`"
	case t.Kind() == reflect.Int:
		if k.Min == k.Max {
			return fmt.Sprint(k.Min)
		}
		return fmt.Sprintf("%d to %d", k.Min, k.Max)
	case t.Kind() == reflect.Float64:
		return fmt.Sprintf("number, %d to %d", k.Min, k.Max)
	case t.Kind() == reflect.Slice:
		words := "list"
		if k.Says != "" {
			words += ": " + k.Says
		}
		return words + strings.ToLower(lengths(k))
	case t.Kind() == reflect.Struct && t.Name() == "Addr" && strings.HasSuffix(k.Path, six):
		return "IPv6 address"
	case t.Kind() == reflect.Struct && t.Name() == "Prefix" && strings.HasSuffix(k.Path, six):
		return "IPv6 network, /16 to /126"
	case t.Kind() == reflect.Struct && t.Name() == "Addr":
		return "IPv4 address"
	case t.Kind() == reflect.Struct && t.Name() == "Prefix":
		return "IPv4 network, /8 to /29"
	case t.Kind() == reflect.Struct:
		return "keys below"
	case k.Says != "":
		return k.Says
	}
	return "text"
}

// typeAt finds the type of a key by its path.
func typeAt(path string) reflect.Type {
	t := reflect.TypeFor[Profile]()
	for _, part := range strings.Split(path, ".") {
		name := strings.TrimSuffix(part, "[]")
		for _, f := range form.Fields(t) {
			if form.Name(f) == name {
				t = f.Type
				break
			}
		}
		if strings.HasSuffix(part, "[]") {
			t = t.Elem()
		}
	}
	return t
}

func defaultOf(p *Profile, k form.Key) string {
	if k.Required {
		return "must be there"
	}
	if strings.Contains(k.Path, "[]") {
		return ""
	}
	v := reflect.ValueOf(p).Elem()
	for _, part := range strings.Split(k.Path, ".") {
		for i := range v.NumField() {
			if form.Name(v.Type().Field(i)) == part {
				v = v.Field(i)
				break
			}
		}
	}
	switch {
	case v.Kind() == reflect.Bool:
		return fmt.Sprintf("`%v`", v.Bool())
	case v.Kind() == reflect.Slice && v.Len() > 0:
		return "the two of an MS-01"
	case v.IsZero():
		return ""
	}
	return fmt.Sprintf("`%v`", v.Interface())
}
