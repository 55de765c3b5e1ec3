package main

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"ringboot/cmd/cli"
	"ringboot/firstboot/status/draw"
)

// full is the picture over the whole terminal: live, with one part that the
// keys open and scroll.
type full struct {
	look          func() draw.Picture
	color         bool
	picture       draw.Picture
	columns, rows int
	fold          draw.Fold
}

// tick is the moment to look again.
type tick struct{}

func (m *full) next() tea.Cmd {
	return tea.Tick(time.Second, func(time.Time) tea.Msg { return tick{} })
}

// Init looks for the first time.
func (m *full) Init() tea.Cmd {
	m.picture = m.look()
	return m.next()
}

// Update takes a key, a size or a moment.
func (m *full) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		m.picture = m.look()
		return m, m.next()
	case tea.WindowSizeMsg:
		m.columns, m.rows = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.press(msg.String())
	}
	return m, nil
}

// page is how far page up and page down go.
const page = 5

func (m *full) press(key string) tea.Cmd {
	switch key {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "n":
		m.open(draw.PartNotes)
	case "r":
		m.open(draw.PartRisks)
	case "e":
		m.open(draw.PartEvents)
	case "?", "h":
		m.open(draw.PartHelp)
	case "down", "j":
		m.scroll(1)
	case "up", "k":
		m.scroll(-1)
	case "pgdown", "space":
		m.scroll(page)
	case "pgup":
		m.scroll(-page)
	}
	return nil
}

// open unfolds a part; the same key again folds it.
func (m *full) open(part string) {
	if m.fold.Part == part {
		part = ""
	}
	m.fold = draw.Fold{Part: part}
}

func (m *full) scroll(by int) {
	m.fold.From = min(max(m.fold.From+by, 0), max(m.picture.Lines(m.style(), m.fold.Part)-1, 0))
}

func (m *full) style() draw.Style { return draw.Style{Width: m.columns, Color: m.color} }

// View draws.
func (m *full) View() tea.View {
	if m.rows == 0 {
		return tea.NewView("") // the size is not known yet
	}
	v := tea.NewView(m.picture.Screen(m.style(), m.rows, m.fold))
	v.AltScreen = true
	return v
}

// screen shows the picture over the whole terminal until a key ends it.
func (o *canvas) screen(ctx context.Context, g *gatherer) error {
	m := &full{look: g.picture, color: o.t.Color(o.to)}
	m.columns, m.rows = cli.Size(o.to)
	if o.w.width != 0 {
		m.columns = o.w.width
	}
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(o.t.Stdin), tea.WithOutput(o.to), tea.WithoutSignalHandler()).Run()
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) {
		return nil // this is how a watch ends
	}
	return err
}
