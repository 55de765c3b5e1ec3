package change_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/change"
)

// keysOf lists the keys of a type, as the reference writes them.
func keysOf(t reflect.Type, path string) (out []string) {
	switch {
	case t == reflect.TypeFor[netip.Addr]() || t == reflect.TypeFor[netip.Prefix]():
		return []string{path}
	case t.Kind() == reflect.Struct:
		if strings.Contains(path, ".") || strings.Contains(path, "[]") {
			if !strings.HasSuffix(path, "[]") {
				out = append(out, path)
			}
		}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if name == "-" {
				continue // a word in place of keys
			}
			out = append(out, keysOf(t.Field(i).Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
		return out
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem() != reflect.TypeFor[netip.Addr]():
		return append([]string{path}, keysOf(t.Elem(), path+"[]")...)
	}
	return []string{path}
}

func TestEveryKeyOfTheProfileHasARow(t *testing.T) {
	keys := keysOf(reflect.TypeFor[profiles.Profile](), "")
	if len(keys) < 90 {
		t.Fatalf("%d keys only: %v", len(keys), keys)
	}
	seen := map[string]bool{}
	for _, r := range change.Rows() {
		if r.When.String() == "unknown" || r.Why == "" || strings.HasSuffix(r.Why, ".") {
			t.Errorf("the row %s is not whole: %+v", r.Keys, r)
		}
		for _, k := range strings.Fields(r.Keys) {
			if seen[k] {
				t.Errorf("%s has two rows", k)
			}
			seen[k] = true
			if !slices.Contains(keys, k) {
				t.Errorf("stale: no profile has the key %s", k)
			}
		}
	}
	for _, k := range keys {
		if !seen[k] {
			t.Errorf("%s has no row: may it change on a settled node?", k)
		}
	}
	if _, ok := change.Of("nodes[].colour"); ok {
		t.Error("a key that nobody knows has a row")
	}
}

// whole is a profile in which every list has something.
func whole(t *testing.T) *profiles.Profile {
	t.Helper()
	p := profiles.Default()
	p.HA.Affinity = []profiles.Affinity{{Name: "apart", Kind: "resource", Resources: []string{"vm:100"}, Nodes: []string{"frege:2"}, Affinity: "negative"}}
	for i := range p.Nodes {
		n := &p.Nodes[i]
		n.OSDDisks = profiles.DiskList{{Serial: fmt.Sprintf("O%d", i)}}
		n.RingPorts = slices.Clone(p.Ring.Ports)
	}
	return p
}

// copyOf is a profile that shares nothing with another.
func copyOf(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]() || v.Type() == reflect.TypeFor[netip.Prefix]():
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(copyOf(v.Field(i)))
		}
	case v.Kind() == reflect.Slice && !v.IsNil():
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(copyOf(v.Index(i)))
		}
	}
	return out
}

// each changes every value of a profile, one after the other and in the first
// entry of each list, calls do, and takes the change back.
func each(v reflect.Value, path string, do func(key string)) {
	with := func(other any) {
		old := reflect.ValueOf(v.Interface())
		v.Set(reflect.ValueOf(other).Convert(v.Type()))
		do(path)
		v.Set(old)
	}
	switch {
	case v.Type() == reflect.TypeFor[netip.Addr]():
		with(netip.MustParseAddr("192.0.2.77"))
	case v.Type() == reflect.TypeFor[netip.Prefix]():
		with(netip.MustParsePrefix("192.0.2.0/24"))
	case v.Type() == reflect.TypeFor[[]netip.Addr]():
		with([]netip.Addr{netip.MustParseAddr("192.0.2.77")})
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if name == "-" { // a word in place of keys
				each(v.Field(i), strings.TrimSuffix(path, "[]"), do)
				continue
			}
			each(v.Field(i), strings.TrimPrefix(path+"."+name, "."), do)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		with(v.Slice(0, v.Len()-1).Interface())
		each(v.Index(0), path+"[]", do)
	case v.Kind() == reflect.Slice:
		with([]string{"word"})
	case v.Kind() == reflect.Bool:
		with(!v.Bool())
	case v.Kind() == reflect.Int:
		with(int(v.Int()) + 1)
	case v.Kind() == reflect.String:
		with(v.String() + "x")
	}
}

// Each key, changed alone, is the one difference, judged by its own row.
func TestEveryChangeIsSeenAndJudged(t *testing.T) {
	have := whole(t)
	if same := change.Between(have, whole(t)); len(same) > 0 {
		t.Fatalf("a profile differs from itself: %+v", same)
	}
	names := map[string]string{"nodes[].name": "nodes", "users[].name": "users", "ha.affinity[].name": "ha.affinity"}
	tried := 0
	want := copyOf(reflect.ValueOf(*have))
	each(want, "", func(key string) {
		changed := want.Interface().(profiles.Profile)
		found := change.Between(have, &changed)
		if as, ok := names[key]; ok {
			key = as // another name is another entry
		}
		row, _ := change.Of(key)
		bare := ""
		if len(found) == 1 {
			bare = strings.TrimSuffix(unnamed(found[0].Key), "[]")
		}
		switch {
		case len(found) != 1 || bare != key:
			t.Errorf("%s was changed, found was %+v", key, found)
		case found[0].Why != row.Why || found[0].Have == found[0].Want:
			t.Errorf("%s: %+v", key, found[0])
		case found[0].Refused(true) != (row.When != change.Always) || found[0].Refused(false) != (row.When == change.Never || row.Keys == "nodes"):
			t.Errorf("%s is %s and judged %v on a settled node, %v on one that is formed", key, row.When, found[0].Refused(true), found[0].Refused(false))
		}
		tried++
	})
	if tried < 80 {
		t.Errorf("%d keys were tried only", tried)
	}
}

// unnamed turns nodes[frege].address into nodes[].address.
func unnamed(key string) string {
	var out strings.Builder
	inside := false
	for _, r := range key {
		inside = inside && r != ']'
		if !inside {
			out.WriteRune(r)
		}
		inside = inside || r == '['
	}
	return out.String()
}

func TestWhatIsShownOfAChange(t *testing.T) {
	have := whole(t)
	for name, c := range map[string]struct {
		alter           func(*profiles.Profile)
		key, from, into string
	}{
		"a hash is not shown":   {func(p *profiles.Profile) { p.Users[0].PasswordHash = "$y$secret" }, "users[" + have.Users[0].Name + "].password_hash", "", "another"},
		"an account more":       {func(p *profiles.Profile) { p.Users = append(p.Users, profiles.User{Name: "hume"}) }, "users", "", "hume"},
		"a time server more":    {func(p *profiles.Profile) { p.Management.NTP = append(p.Management.NTP, "192.0.2.1") }, "management.ntp", "", "192.0.2.1"},
		"the order of nodes":    {func(p *profiles.Profile) { p.Nodes[0], p.Nodes[1] = p.Nodes[1], p.Nodes[0] }, "nodes", "frege, russell, wittgenstein", "russell, frege, wittgenstein"},
		"no disk, not any disk": {func(p *profiles.Profile) { p.Nodes[0].OSDDisks = nil }, "nodes[frege].osd_disks", "1 entries", "left out"},
	} {
		changed := copyOf(reflect.ValueOf(*have)).Interface().(profiles.Profile)
		c.alter(&changed)
		found := change.Between(have, &changed)
		if len(found) != 1 || found[0].Key != c.key || found[0].Have != c.from || found[0].Want != c.into {
			t.Errorf("%s: %+v", name, found)
		}
	}
	swapped := copyOf(reflect.ValueOf(*have)).Interface().(profiles.Profile)
	swapped.Users[0], swapped.Users[1] = swapped.Users[1], swapped.Users[0]
	if found := change.Between(have, &swapped); len(found) != 0 {
		t.Errorf("the order of accounts means nothing, and was told: %+v", found)
	}
}

func TestParseRefusesWhatIsNoProfileForANode(t *testing.T) {
	f, err := change.NewFile(profiles.Default(), profiles.Seed{Version: profiles.SeedVersion, Node: "frege", ClusterID: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(alter func(*change.File)) string {
		g := f
		if alter != nil {
			alter(&g)
		}
		out, err := g.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got, p, err := change.Parse("f", []byte(text(nil))); err != nil || got.Seed.Node != "frege" || len(change.Between(profiles.Default(), p)) != 0 {
		t.Errorf("%+v, %v", got.Seed, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"a profile":   {string(profiles.DefaultText()), "f is no profile for a node (it is a profile as mkimage reads it): write it with mkimage seed"},
		"nothing":     {"", "f is no profile for a node (unexpected end of JSON input): write it with mkimage seed"},
		"newer":       {text(func(f *change.File) { f.Version = 2 }), "f has version 2 and this agent reads up to 1: update the agent first, or write it with the mkimage of this version"},
		"no version":  {text(func(f *change.File) { f.Version = 0 }), "f is no profile for a node (version 0, of the seed 1): write it with mkimage seed"},
		"changed":     {text(func(f *change.File) { f.Profile = strings.Replace(f.Profile, "mtu: 65520", "mtu: 9000", 1) }), "f is no profile for a node (it was changed after it was written): write it with mkimage seed"},
		"no such one": {text(func(f *change.File) { f.Seed.Node = "hume" }), `f is no profile for a node (node "hume" is not in the profile): write it with mkimage seed`},
	} {
		if _, _, err := change.Parse("f", []byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	file, err := change.NewFile(profiles.Default(), profiles.Seed{Version: profiles.SeedVersion, Node: "frege", ClusterID: "0123456789abcdef"})
	if err != nil {
		f.Fatal(err)
	}
	text, err := file.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version": 1, "seed": {"version": 1, "node": "frege"}, "profile": "version: 1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, p, err := change.Parse("f", text)
		if err != nil {
			return
		}
		if plan, err := p.PlanHashes(g.Seed.Node); err != nil || plan != g.Seed.Plan {
			t.Errorf("%v: a file was taken whose plan is not that of its profile", err)
		}
	})
}
