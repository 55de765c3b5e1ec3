package manifest_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"ringboot/imagebuilder/manifest"
)

var hash = strings.Repeat("0f", 32)

func sample() manifest.Manifest {
	return manifest.Manifest{
		Version: manifest.Version, Builder: "1.0", Cluster: "philosophers", Node: "frege", Plan: "a", NodePlan: "b",
		Base:   manifest.Input{Name: "stock.iso", Size: 10, SHA256: hash},
		Inputs: []manifest.Input{{Name: "profile", Size: 1, SHA256: hash}, {Name: "agent", Size: 2, SHA256: hash}},
		Files: []manifest.File{
			{Path: "/seed.deb", Size: 3, SHA256: hash, Secret: true}, {Path: "/answer.toml", Size: 4, SHA256: hash},
		},
	}
}

func TestEncodeDoesNotDependOnTheOrder(t *testing.T) {
	a, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	m := sample()
	slices.Reverse(m.Files)
	slices.Reverse(m.Inputs)
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("the same content in another order:\n%s\n%s", a, b)
	}
	back, err := manifest.Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := back.Encode(); err != nil || !bytes.Equal(a, c) {
		t.Errorf("read and written again: %v\n%s", err, c)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := sample().Encode()
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, now string) string { return strings.Replace(string(good), old, now, 1) }
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "manifest: unexpected end of JSON input"},
		{"newer", change(`"version": 1`, `"version": 2`), "manifest: version 2 is not the version 1 that this program reads: use the mkimage that made the image"},
		{"unknown key", change(`"node"`, `"knot"`), `manifest: json: unknown field "knot"`},
		{"relative path", change(`"/seed.deb"`, `"seed.deb"`), `manifest: file "seed.deb" is not an absolute path that occurs once`},
		{"twice", change(`"/seed.deb"`, `"/answer.toml"`), `manifest: file "/answer.toml" is not an absolute path that occurs once`},
		{"bad hash", change(hash, strings.ToUpper(hash)), `manifest: "stock.iso" has no name, a size below zero, or a sha256 that is not 64 lower-case hexadecimal digits`},
		{"too long", strings.Repeat(" ", manifest.Limit+1), "manifest: 1048577 bytes are more than the 1048576 that are allowed"},
	} {
		if _, err := manifest.Decode([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = manifest.Decode(text) })
}
