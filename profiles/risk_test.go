package profiles

import (
	"slices"
	"strings"
	"testing"
)

// What is a risk of all nodes is shared; what is one of two is not.
func TestSharedRisksAreThoseOfAll(t *testing.T) {
	p := Default()
	all := []string{"frege", "russell", "wittgenstein"}
	if got := p.SharedRisks(all); len(got) != len(p.Risks("frege")) || !strings.HasPrefix(got[0], ": no disk is named") {
		t.Errorf("three alike: %q", got)
	}
	p.Nodes[2].RootDisk = DiskName{Serial: "S1"}
	if got := p.SharedRisks(all); len(got) != len(p.Risks("frege"))-1 || slices.ContainsFunc(got, func(r string) bool { return strings.Contains(r, "no disk is named") }) {
		t.Errorf("two alike: %q", got)
	}
	if got := p.SharedRisks(all[:1]); got != nil {
		t.Errorf("one alone: %q", got)
	}
}
