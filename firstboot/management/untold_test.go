package management

import (
	"strings"
	"testing"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/rehearsal/crash"
)

// Whatever fails is told, and nothing is changed after it but on the way back to
// the old network.
func TestNothingThatFailsIsPassedOver(t *testing.T) {
	var b *bench
	fresh := func() host.Host {
		b = newBench(t, nil)
		return b.Host()
	}
	asked := map[string]bool{}
	for r := range crash.Refusals(fresh, func(h host.Host) error {
		b.start(h)
		v, err := b.step.Check(t.Context())
		if err == nil && v.State == step.Todo {
			err = b.step.Apply(t.Context())
		}
		if err == nil {
			_, err = b.step.Check(t.Context())
		}
		return err
	}) {
		asked[r.What] = true
		if forgiven(r.What) {
			continue
		}
		if r.Err == nil || !strings.Contains(r.Err.Error(), crash.ErrRefused.Error()) {
			t.Errorf("%s was refused, and the step says %v", r.What, r.Err)
		}
		for _, done := range r.After {
			switch done {
			case "write " + interfacesFile, "run ifreload -a", "remove " + networkMarker, "sync all", "run systemctl stop " + rollbackUnit + ".timer":
			default:
				t.Errorf("%s was refused, and all the same: %s", r.What, done)
			}
		}
	}
	for _, what := range []string{"write " + interfacesFile, "run ifreload -a", "fail ip link set dev enp90s0 up", "list " + netClass} {
		if !asked[what] {
			t.Errorf("%s was not asked for: %v", what, asked)
		}
	}
}

// forgiven are what may fail: the kernel's words on a port, another's files of
// udev, a timer that is not there, and an answer that does not come.
func forgiven(what string) bool {
	for _, may := range []string{"read " + netClass + "/", "read link " + netClass + "/", "list " + linkDirs[0], "list " + linkDirs[1], "list " + linkDirs[2],
		"read " + linkDirs[0], "fail " + agentProgram, "fail systemctl stop", "fail ping", "fail ip -4", "fail ip -6"} {
		if strings.HasPrefix(what, may) {
			return true
		}
	}
	return false
}
