package profiles

import "slices"

// Bond is one way in which ports form one.
type Bond struct {
	Mode   string // as profile and ifupdown2 call it
	Number string // the kernel's, which means the same
	// Alone says that each port carries by itself and the switch need not know:
	// one of them is preferred, and each can be asked alone. Else it is a group
	// that the switch has as well, and nothing passes one port of it alone.
	Alone bool
}

// Bonds is the table of the ways, the usual one first.
func Bonds() []Bond {
	return []Bond{
		{Mode: "active-backup", Number: "1", Alone: true},
		{Mode: "802.3ad", Number: "4"}, // LACP
	}
}

// BondOf is the row of a mode; without one it is the usual way.
func BondOf(mode string) Bond {
	all := Bonds()
	return all[max(0, slices.IndexFunc(all, func(b Bond) bool { return b.Mode == mode }))]
}

func bondModes() []string {
	return wordsOf(Bonds(), func(b Bond) string { return b.Mode })
}
