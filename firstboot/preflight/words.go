package preflight

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// Size is a number of bytes as disks are sold.
func Size(n int64) string {
	switch {
	case n >= 1e12:
		return fmt.Sprintf("%.2f TB", float64(n)/1e12)
	case n >= 1e9:
		return fmt.Sprintf("%.0f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.0f MB", float64(n)/1e6)
}

func describe(d Sighting) string {
	return fmt.Sprintf("%s, %s, serial %s", Size(d.Bytes), cmp.Or(d.Model, "unknown model"), cmp.Or(d.Serial(), "none"))
}

func holds(d Sighting) string {
	if d.Mark != nil {
		return "the system of " + d.Mark.Node
	}
	if d.Unreadable {
		return "cannot be read"
	}
	return strings.Join(d.Holds, ", ")
}

func names(disks []Sighting) string {
	if len(disks) == 0 {
		return "no disk"
	}
	var out []string
	for _, d := range disks {
		out = append(out, d.Name)
	}
	return strings.Join(out, " and ")
}

// nameOf is how the plan names a disk.
func nameOf(by profiles.DiskName) string {
	switch {
	case by.Serial != "":
		return "serial " + by.Serial
	case by.ByID != "":
		return by.ByID
	}
	return by.Kernel
}

// Screen shows every disk, what is on it, and what is going to happen, within
// the given number of columns.
func Screen(p medium.Plan, f Facts, v Verdict, columns int) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		text := []rune(clean(fmt.Sprintf(format, args...)))
		if len(text) > columns {
			text = append(text[:columns-3], []rune("...")...)
		}
		b.WriteString(string(text) + "\n")
	}
	line("")
	line("Ringboot preflight: cluster %s", cmp.Or(p.Cluster, "(none)"))
	line("Machine: %s", f.Machine)
	for _, d := range f.Disks {
		what := "blank"
		switch {
		case d.Medium:
			what = "this medium"
		case !d.Blank():
			what = holds(d)
		}
		sign := " "
		if slices.ContainsFunc(v.Disks, func(m Sighting) bool { return m.Name == d.Name }) && (v.Outcome == Installs || v.Outcome == Asks) {
			sign = "*"
		}
		line("%s %-10s %8s  %s, serial %s", sign, d.Name, Size(d.Bytes), cmp.Or(d.Model, "unknown model"), cmp.Or(d.Serial(), "none"))
		line("             %s", what)
	}
	b.WriteString("\n")
	for _, l := range wrap(clean(heading(v)+v.Says), columns) {
		b.WriteString(l + "\n")
	}
	return b.String()
}

func heading(v Verdict) string {
	switch v.Outcome {
	case Installs:
		return fmt.Sprintf("INSTALLS %s AND ERASES %s: ", v.Node, names(v.Disks))
	case Asks:
		return fmt.Sprintf("WAITS, for %s: ", v.Node)
	case Looked:
		return "LOOKED, nothing is installed: "
	case Installed:
		return "INSTALLED ALREADY: "
	}
	return "STOPPED, nothing was erased: "
}

// clean drops what a label or a serial number could do to a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

func wrap(text string, columns int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > columns {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
