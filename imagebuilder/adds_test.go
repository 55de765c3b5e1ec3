package imagebuilder_test

import (
	"context"
	"testing"
	"time"

	"ringboot/imagebuilder"
	"ringboot/rehearsal/need"
	"ringboot/rehearsal/qemu"
)

// TestWhatPreflightAddsToABoot starts the same machine in turns from a stick with
// preflight and from one without, and measures from the choice in the menu to the
// medium's own program finding the medium. The countdown does not count: a key
// ends it. Of each kind the quicker start counts, which the host disturbed least.
func TestWhatPreflightAddsToABoot(t *testing.T) {
	ours, _ := bootable(t, named)
	stock, _ := bootableOf(t, "frege", func(r *imagebuilder.Request) { r.Profile.Nodes[0].RootDisk, r.Preflight = named, nil })
	ctx, cancel := context.WithTimeout(t.Context(), 3*vmTimeout)
	defer cancel()
	best := map[string]time.Duration{}
	for range 2 {
		for _, path := range []string{stock, ours} {
			took := toTheMedium(t, ctx, copied(t, path), path == ours)
			if old, is := best[path]; !is || took < old {
				best[path] = took
			}
		}
	}
	adds := (best[ours] - best[stock]).Seconds()
	need.Figure("preflight.boot_s", best[ours].Seconds(), "s")
	need.Figure("preflight.stock_boot_s", best[stock].Seconds(), "s")
	need.Figure("preflight.adds_s", adds, "s")
	// The goal is 2 s; a host with more to do slows both alike.
	if most := max(2, best[stock].Seconds()/2); adds > most {
		t.Errorf("preflight adds %.1f s to a boot of %.1f s", adds, best[stock].Seconds())
	}
}

// toTheMedium is how long a start takes from the menu's entry on.
func toTheMedium(t *testing.T, ctx context.Context, stick string, looks bool) time.Duration {
	t.Helper()
	vm := machineWith(t, ctx, qemu.UEFI, stick, qemu.Drive{Path: blank(t), Serial: "root"})
	defer vm.Cut()
	expect(t, ctx, vm, `Guard: ticket armed; no marked disk; reboot `)
	begun := time.Now()
	enter(t, vm)
	took := time.Duration(0)
	if looks {
		expect(t, ctx, vm, `INSTALLS frege AND ERASES sd[ab]: `)
		took = time.Since(begun)
		if err := vm.Console.Send(" "); err != nil {
			t.Fatal(err)
		}
		expect(t, ctx, vm, `Type yes to erase sd[ab] all the same`)
		begun = time.Now()
		if err := vm.Console.Send("yes\r"); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, ctx, vm, `^medium: found /dev/sd[ab]$`)
	return took + time.Since(begun)
}
