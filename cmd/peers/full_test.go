package main

import (
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
)

// press is a key as the terminal sends it.
func press(m *full, key tea.Key) tea.Cmd {
	_, cmd := m.Update(tea.KeyPressMsg(key))
	return cmd
}

func TestKeysOfTheFullScreen(t *testing.T) {
	p := draw.Picture{Cluster: "principia", Verified: true, Verdict: "have 3/3", State: status.StateForming}
	for i := range 40 {
		p.Risks = append(p.Risks, fmt.Sprintf("risk number %d", i))
	}
	looks := 0
	m := &full{look: func() draw.Picture { looks++; return p }}
	if m.Init() == nil || looks != 1 {
		t.Fatal("it does not look at its start, or not again")
	}
	if m.View().Content != "" {
		t.Error("it draws before it knows the size")
	}
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	shows := func(want string) {
		t.Helper()
		v := m.View()
		if !v.AltScreen || !strings.Contains(v.Content, want) || strings.Count(v.Content, "\n") >= 24 {
			t.Errorf("want %q in\n%s", want, v.Content)
		}
	}
	shows("notes")
	press(m, tea.Key{Code: 'r', Text: "r"})
	shows("risk number 0\n")
	press(m, tea.Key{Code: tea.KeyDown})
	shows("risks  2 to ")
	for range 100 {
		press(m, tea.Key{Code: tea.KeyPgDown})
	}
	shows("to 40 of 40 lines")
	press(m, tea.Key{Code: 'r', Text: "r"}) // folds it again
	shows("notes")
	press(m, tea.Key{Code: '?', Text: "?"})
	shows("the newest first")
	m.Update(tea.WindowSizeMsg{Width: 200, Height: 60})
	m.Update(tick{})
	if looks != 2 {
		t.Errorf("it looked %d times", looks)
	}
	for _, key := range []tea.Key{{Code: 'q', Text: "q"}, {Code: tea.KeyEscape}, {Code: 'c', Mod: tea.ModCtrl}} {
		cmd := press(m, key)
		if cmd == nil {
			t.Fatalf("%v does not end it", key)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%v does not end it", key)
		}
	}
	if press(m, tea.Key{Code: 'x', Text: "x"}) != nil {
		t.Error("any key ends it")
	}
}
