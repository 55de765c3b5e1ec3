package base

import (
	"context"
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
)

// Whoever was the last with sudo loses it as well; a node that never had any
// gets no file.
func TestSudoGoesWithTheLastAccountThatHasIt(t *testing.T) {
	h := host.New(t.TempDir())
	none := &profiles.Profile{Users: []profiles.User{{Name: "hume", Sudo: "none"}}}
	state := func(p *profiles.Profile) step.State {
		t.Helper()
		v, err := sudoItem(h, p).look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v.State
	}
	if state(none) != step.Done {
		t.Error("a file without a rule is to be written")
	}
	if err := h.Files.WriteFile(sudoersFile, []byte(sudoRules([]profiles.User{{Name: "hume", Sudo: "nopasswd"}})), 0o440); err != nil {
		t.Fatal(err)
	}
	if state(none) != step.Todo {
		t.Error("the rules of an account that has sudo no more stay")
	}
	if err := h.Files.WriteFile(sudoersFile, []byte(sudoRules(none.Users)), 0o440); err != nil {
		t.Fatal(err)
	}
	if state(none) != step.Done {
		t.Error("a file without a rule is not enough")
	}
}

// visudo refuses what stands beside our file, as a rule of the owner's may.
type visudo struct{ whole int }

func (v visudo) Run(_ context.Context, c host.Cmd) (host.Result, error) {
	if !slices.Contains(c.Argv, "-f") {
		return host.Result{Code: v.whole, Stderr: []byte("parse error in /etc/sudoers.d/hume")}, nil
	}
	return host.Result{}, nil
}

// Rules with which sudo as a whole would not work are taken back: the file that
// was there before, or none.
func TestRulesThatBreakSudoAreTakenBack(t *testing.T) {
	p := &profiles.Profile{Users: []profiles.User{{Name: "hume", Sudo: "nopasswd"}}}
	for _, old := range []string{"", "hume ALL=(ALL:ALL) ALL\n"} {
		h := host.New(t.TempDir())
		h.Commands = visudo{whole: 1}
		if old != "" {
			if err := h.Files.WriteFile(sudoersFile, []byte(old), 0o440); err != nil {
				t.Fatal(err)
			}
		}
		if err := sudoItem(h, p).make(t.Context()); err == nil || !strings.Contains(err.Error(), "the rules for sudo were taken back") {
			t.Errorf("with %q before: %v", old, err)
		}
		if text, _ := host.ReadOptional(h.Files, sudoersFile); string(text) != old || host.Exists(h.Files, sudoersFile) != (old != "") {
			t.Errorf("with %q before there is %q", old, text)
		}
		h.Commands = visudo{}
		if err := sudoItem(h, p).make(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text, _ := h.Files.ReadFile(sudoersFile); string(text) != sudoRules(p.Users) {
			t.Errorf("written is %q", text)
		}
	}
}
