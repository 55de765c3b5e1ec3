package draw

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ringboot/rehearsal/need"
)

var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// TestEveryScreenFits draws every picture in every part, in terminals of many
// sizes: ring, nodes, verdict and keys are on each of the usual ones.
func TestEveryScreenFits(t *testing.T) {
	fits := 1
	for name, s := range pictures() {
		p := New(s)
		for i := range 30 { // what a long evening brings
			p.Risks = append(p.Risks, fmt.Sprintf("frege: risk %d is a long sentence that names a thing, says why it matters, and what to do about it now", i))
		}
		for _, size := range [][2]int{{80, 24}, {110, 55}, {200, 60}, {80, 12}, {100, 30}, {60, 24}, {40, 5}, {80, 1}} {
			for _, part := range []string{"", PartRisks, PartEvents, PartHelp} {
				text := colours.ReplaceAllString(p.Screen(Style{Width: size[0], Color: true}, size[1], Fold{Part: part, From: 3}), "")
				lines := strings.Split(text, "\n")
				if len(lines) > size[1] {
					t.Errorf("%s %s at %v: %d lines", name, part, size, len(lines))
					fits = 0
				}
				for _, l := range lines {
					if n := utf8.RuneCountInString(l); n > size[0] {
						t.Errorf("%s %s at %v: %d columns: %s", name, part, size, n, l)
						fits = 0
					}
				}
				if size[1] < LeastRows || size[0] < LeastColumns {
					continue
				}
				for _, n := range p.Nodes {
					if !strings.Contains(text, cut(n.Name, 14)+" ") {
						t.Errorf("%s %s at %v does not show %s:\n%s", name, part, size, n.Name, text)
						fits = 0
					}
				}
				if verdict, _, _ := strings.Cut(p.Verdict, " "); !strings.Contains(text, verdict) || !strings.Contains(text, "q quit") || !strings.Contains(text, "cluster ") {
					t.Errorf("%s %s at %v lacks verdict, keys or title:\n%s", name, part, size, text)
					fits = 0
				}
			}
		}
	}
	need.Figure("peers.fits_80x24", fits, "count")
}

func TestScreens(t *testing.T) {
	for _, name := range []string{"working", "building", "stopped", "accepted", "not-accepted", "cable", "empty"} {
		p := New(pictures()[name])
		p.Time = p.Time.UTC()
		t.Setenv("TZ", "UTC")
		golden(t, name+".screen.txt", p.Screen(Style{Width: LeastColumns}, LeastRows, Fold{})+"\n")
	}
}

func TestAPartScrollsToItsEndAndNoFurther(t *testing.T) {
	p := New(working())
	for i := range 40 {
		p.Risks = append(p.Risks, fmt.Sprintf("risk number %d", i))
	}
	st := Style{Width: 80}
	if n := p.Lines(st, PartRisks); n != 40 {
		t.Fatalf("%d lines", n)
	}
	first, last := p.Screen(st, 24, Fold{Part: PartRisks}), p.Screen(st, 24, Fold{Part: PartRisks, From: 1000})
	if !strings.Contains(first, "risk number 0\n") || !strings.Contains(first, "risks  1 to ") {
		t.Errorf("first:\n%s", first)
	}
	if !strings.Contains(last, "risk number 39\n") || !strings.Contains(last, "to 40 of 40 lines") {
		t.Errorf("last:\n%s", last)
	}
}

func TestNotAMemberYetIsNoFault(t *testing.T) {
	text := New(working()).Screen(Style{Width: 80, Color: true}, 24, Fold{})
	if strings.Contains(text, "\x1b["+red+"m") {
		t.Errorf("red in a cluster that is well:\n%s", text)
	}
	if !strings.Contains(text, "trusted") || !strings.Contains(colours.ReplaceAllString(text, ""), "[#####......] 6/11 cluster for 1m (~26s)") {
		t.Errorf("the nodes' rows:\n%s", text)
	}
}
