package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/rehearsal/need"
)

// TestBoxesOfOthersComeToTheirImages takes the set-ups that people have described
// in public further: what can be said is planned, with the risks that it has, and
// becomes an image that is sound; what is refused makes none, for the same reasons.
func TestBoxesOfOthersComeToTheirImages(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	needAgent(t)
	files, err := filepath.Glob("../../profiles/testdata/boxes/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d set-ups (%v)", len(files), err)
	}
	iso, err := (&stocks{t: t, made: map[string]string{}}).iso("9.2-1")
	if err != nil {
		t.Fatal(err)
	}
	planned, made := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			b := newBoxed(t, text)
			p, err := profiles.Load(b.profile, text)
			if err != nil {
				b.refused(text)
				return
			}
			b.planned(p)
			planned++
			node := p.Nodes[len(p.Nodes)-1].Name
			image := filepath.Join(t.TempDir(), node+".iso")
			if out, err := b.mkimage("--profile", b.profile, "--node", node, "--iso", iso, "--out", image); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := b.mkimage("verify", image); err != nil || !strings.Contains(out, "sound  everything else") {
				t.Fatalf("%v\n%s", err, out)
			}
			made++
		})
	}
	need.Figure("boxes.planned", planned, "profiles")
	need.Figure("boxes.images", made, "count")
}

// boxed is one of them, with a keyring of its own.
type boxed struct {
	t       *testing.T
	profile string
}

func newBoxed(t *testing.T, text []byte) boxed {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	b := boxed{t, filepath.Join(home, "box.yaml")}
	if err := os.WriteFile(b.profile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b boxed) mkimage(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(b.t.Context(), args, strings.NewReader(""), &out, &out)
	return out.String(), err
}

// refused wants the reasons that stand above the profile.
func (b boxed) refused(text []byte) {
	b.t.Helper()
	out, err := b.mkimage("plan", "--profile", b.profile)
	if fault.Of(err) != fault.Profile {
		b.t.Errorf("refused with %v", err)
	}
	reasons := 0
	for line := range strings.Lines(string(text)) {
		if why, ok := strings.CutPrefix(line, "# refused: "); ok {
			reasons++
			if said := out + err.Error(); !strings.Contains(said, strings.TrimSpace(why)) {
				b.t.Errorf("it says\n%s\nand lacks %q", said, why)
			}
		}
	}
	if reasons == 0 {
		b.t.Error("refused, and nobody wants that")
	}
}

// planned wants every node, and every risk of it, in the plan.
func (b boxed) planned(p *profiles.Profile) {
	b.t.Helper()
	out, err := b.mkimage("plan", "--profile", b.profile)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	plain := strings.Join(strings.Fields(out), " ")
	for _, n := range p.Nodes {
		if !strings.Contains(plain, n.Ring.String()) || !strings.Contains(plain, n.Address.String()+"/") {
			b.t.Errorf("the plan lacks the addresses of %s:\n%s", n.Name, out)
		}
		if c := p.Ring.Chain; c != "" && !strings.Contains(plain, "in a chain through "+c) {
			b.t.Errorf("the plan does not say that %s is in a chain:\n%s", n.Name, out)
		}
		for _, r := range p.Risks(n.Name) {
			_, alone, _ := strings.Cut(r, ": ")
			if !strings.Contains(plain, alone) {
				b.t.Errorf("the plan lacks the risk %q:\n%s", r, out)
			}
		}
	}
}
