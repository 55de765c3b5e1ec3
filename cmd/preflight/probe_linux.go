package main

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"ringboot/firstboot/early"
	"ringboot/firstboot/look"
	"ringboot/firstboot/preflight"
	"ringboot/profiles/medium"
)

// probed shows what a medium that only looks has seen.
func probed(c *early.Console, plan medium.Plan, seen look.Seen, kept bool) error {
	says := "the inventory is on the stick: mkimage init --from DEVICE reads it"
	if !kept {
		says = "this medium cannot be written to, so the inventory is not kept; the picture holds the numbers"
	}
	fmt.Fprint(c, preflight.Screen(plan, seen.Facts, preflight.Verdict{Outcome: preflight.Looked, Says: says}, columns))
	fmt.Fprint(c, picture(numbers(seen)))
	wait(c)
	return nil
}

// numbers are what one would have to write down, line by line.
func numbers(seen look.Seen) string {
	lines := []string{seen.Facts.Machine.String()}
	for _, d := range seen.Disks {
		if !d.Medium {
			lines = append(lines, fmt.Sprintf("%s %s %s", d.Name, d.Serial(), preflight.Size(d.Bytes)))
		}
	}
	return strings.Join(append(lines, seen.MACs...), "\n")
}

// quiet is the empty border that readers want, in modules.
const quiet = 2

// picture is a text as a QR code for a telephone, two modules in each character,
// light on dark as the console is. A text that is too long has none.
func picture(text string) string {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	light := func(x, y int) bool { // black modules are dark
		x, y = x-quiet, y-quiet
		return x < 0 || y < 0 || x >= code.Size || y >= code.Size || !code.Black(x, y)
	}
	var b strings.Builder
	for y := 0; y < code.Size+2*quiet; y += 2 {
		for x := range code.Size + 2*quiet {
			switch upper, lower := light(x, y), y+1 < code.Size+2*quiet && light(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
