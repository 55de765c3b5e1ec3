package imagebuilder

import (
	"fmt"
	"strings"

	"ringboot/imagebuilder/answer"
	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// ErrAnswer says that the installer would stop at the answer that was made.
var ErrAnswer = fault.Profile.New("the installer would stop at the answer")

// lint holds the answer that was made against the rules of the ISO that will
// read it. What the profile's own checks let through ends here, and not at a
// debug shell on three machines.
func (b *Base) lint(node string, text []byte) error {
	var wrong []string
	for _, f := range answer.LintBy(b.Locales, "answer of "+node, text, b.Version, nil).Findings {
		if f.Severity == answer.Wrong {
			wrong = append(wrong, f.Path+" "+f.Text)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w of %s: %s; mend the profile", ErrAnswer, node, strings.Join(wrong, "; "))
}

// takesCeph refuses an ISO whose pve-manager does not install the profile's
// Ceph yet, whatever the table of releases says.
func (b *Base) takesCeph(p *profiles.Profile) error {
	if !p.Ceph.Enabled || b.Manager == "" {
		return nil
	}
	for _, c := range p.Release().Ceph {
		if c.Name == p.Ceph.Version && older(b.Manager, c.Since) {
			return fmt.Errorf("%w: Ceph %s needs pve-manager %s, and %s has %s: take a later ISO, or another ceph.version", ErrWrongRelease, c.Name, c.Since, b.Name, b.Manager)
		}
	}
	return nil
}

// older compares the leading numbers of two versions: 9.1.5 and 9.1.13. What is
// missing counts as 0.
func older(a, b string) bool {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "%d.%d.%d", &x[0], &x[1], &x[2])
	_, _ = fmt.Sscanf(b, "%d.%d.%d", &y[0], &y[1], &y[2])
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}
