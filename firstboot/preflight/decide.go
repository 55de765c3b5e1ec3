package preflight

import (
	"fmt"
	"slices"
	"strings"

	"ringboot/profiles"
	"ringboot/profiles/medium"
)

// Outcome is what happens next.
type Outcome string

// Outcomes of Decide.
const (
	Installed Outcome = "installed" // never install: the installed system is to be started
	Stopped   Outcome = "stopped"   // nothing starts
	Asks      Outcome = "asks"      // the owner may agree by typing
	Installs  Outcome = "installs"
	Looked    Outcome = "looked" // a medium that only looks
)

// Verdict is what Decide came to.
type Verdict struct {
	Outcome Outcome
	Says    string // one sentence, which ends with the remedy or the question
	Node    string
	Disks   []Sighting // the one, or both of a mirror
	// Word is what the owner types to agree: the last letters of the disk's serial,
	// of a mirror those of both.
	Word string
	// Why says what makes the disk the one: blank, named, begun.
	Why string
}

func stop(format string, args ...any) *Verdict {
	return &Verdict{Outcome: Stopped, Says: fmt.Sprintf(format, args...)}
}

// Decide judges a machine, in the order of what would be worst.
func Decide(p medium.Plan, f Facts) Verdict {
	if v := here(p, f); v != nil {
		return *v
	}
	if len(f.Others) > 0 {
		return *stop("%s is a medium of the same ISO, and the installer could take either for the other: pull one of them out and start again", strings.Join(f.Others, " and "))
	}
	n, refused := who(p, f)
	if refused != nil {
		return *refused
	}
	v := disk(n, f)
	v.Node = n.Name
	return v
}

// here looks for the mark of an installed node. A disk that carries one is never
// erased by a program alone, whatever the profile says.
func here(p medium.Plan, f Facts) *Verdict {
	for _, d := range f.Disks {
		if d.Mark == nil || f.Again {
			continue
		}
		m := *d.Mark
		v := &Verdict{Node: m.Node, Disks: []Sighting{d}}
		switch {
		case m.ClusterID != p.ClusterID:
			v.Outcome = Stopped
			v.Says = fmt.Sprintf("%s carries %s of another cluster, installed %s: take the disk out, or wipe it, and start again", d.Name, m.Node, m.Date)
		case p.Kind == medium.KindOne && m.Node != p.Node:
			v.Outcome = Stopped
			v.Says = fmt.Sprintf("this is %s, installed %s (mark on %s), and this medium installs %s: start it with the medium of %s, or without any", m.Node, m.Date, d.Name, p.Node, m.Node)
		default:
			v.Outcome = Installed
			v.Says = fmt.Sprintf("this is %s, installed %s (mark on %s): the installed system is started, nothing is installed", m.Node, m.Date, d.Name)
		}
		return v
	}
	return nil
}

// wordLetters is how much of a serial number the owner types.
const wordLetters = 4

// ask is a verdict that the owner can turn into an installation.
func ask(disks []Sighting, why string) Verdict {
	var words []string
	for _, d := range disks {
		word := d.Serial()
		if len(word) > wordLetters {
			word = word[len(word)-wordLetters:]
		}
		if strings.TrimSpace(word) == "" {
			return *stop("%s; it has no serial number by which you could agree: wipe it, or take another", why)
		}
		words = append(words, word)
	}
	ends := "the end of its serial number"
	if len(words) > 1 {
		ends = "the ends of both serial numbers"
	}
	word := strings.Join(words, " ")
	return Verdict{Outcome: Asks, Disks: disks, Word: word, Says: why +
		fmt.Sprintf(": type %s, %s, to erase %s, or switch off", word, ends, names(disks))}
}

// minBytes is the smallest disk that the installer takes without a question:
// it asks below 8 GiB of room for the root file system.
const minBytes = 10 << 30

// least is the smallest size of a node's disk, in bytes.
func least(n medium.Target) int64 { return max(minBytes, n.AtLeast) }

// disk proves the disks that may be erased: one, or the two of a mirror.
func disk(n medium.Target, f Facts) Verdict {
	candidates := f.candidates()
	if len(candidates) == 0 {
		return *stop("no disk is seen: look at the firmware's storage settings (no RAID mode) and at the disk's seat")
	}
	if n.Root.IsZero() {
		return unnamed(n, f, candidates)
	}
	keys := []string{"root_disk", "mirror_disk"}
	by := slices.DeleteFunc([]profiles.DiskName{n.Root, n.Mirror}, profiles.DiskName.IsZero)
	var disks []Sighting
	for i := range by {
		d, refused := namedBy(n, by[i], keys[i], candidates)
		if refused != nil {
			return *refused
		}
		disks = append(disks, d)
	}
	if len(disks) > 1 {
		if v := unlike(disks[0], disks[1]); v != nil {
			return *v
		}
	}
	return permit(n, by, disks, "named in the profile", f)
}

// unnamed looks for the disk of a node whose profile names none.
func unnamed(n medium.Target, f Facts, candidates []Sighting) Verdict {
	fit, why := smallest(candidates, n), "the only blank disk of the smallest size"
	if again := begun(n.Name, candidates, f); again != nil {
		fit, why = []Sighting{*again}, "the disk on which "+n.Name+" was begun"
	}
	switch len(fit) {
	case 0:
		return onlyUsed(n, candidates)
	case 1:
		return permit(n, []profiles.DiskName{{}}, fit, why, f)
	}
	return *stop("%s are blank and of one size, so nothing says which of them is to be erased: name one by its serial in the profile (root_disk), or take one out", names(fit))
}

// namedBy finds the only disk that a name of the profile means.
func namedBy(n medium.Target, by profiles.DiskName, key string, candidates []Sighting) (Sighting, *Verdict) {
	var fit []Sighting
	for _, d := range candidates {
		if d.named(by) {
			fit = append(fit, d)
		}
	}
	switch len(fit) {
	case 0:
		return Sighting{}, stop("no disk of this machine is %s, which the plan of %s names: put it in, or correct %s in the profile and make the medium again", nameOf(by), n.Name, key)
	case 1:
		return fit[0], nil
	}
	return Sighting{}, stop("%s both are %s: disks that share a number cannot be told apart; take one out, or name one by another number (%s.by_id)", names(fit), nameOf(by), key)
}

// unlike refuses two disks that are no mirror: the installer of 9.2 stops at
// sizes that differ by more than a tenth, when it has wiped them already.
func unlike(a, b Sighting) *Verdict {
	switch {
	case a.Name == b.Name:
		return stop("root_disk and mirror_disk both mean %s, and a mirror is of two disks: correct the profile and make the medium again", a.Name)
	case max(a.Bytes, b.Bytes)-min(a.Bytes, b.Bytes) > min(a.Bytes, b.Bytes)/10:
		return stop("%s has %s and %s has %s, and the disks of a mirror may differ by a tenth: take two of one size", a.Name, Size(a.Bytes), b.Name, Size(b.Bytes))
	}
	return nil
}

// unfit stops at a disk that cannot be read or is too small, nil where there is none.
func unfit(n medium.Target, disks []Sighting) *Verdict {
	for _, d := range disks {
		switch {
		case d.Unreadable:
			return stop("%s cannot be read, so nothing is known of it: it may be broken; take it out or replace it", d.Name)
		case d.Bytes < minBytes:
			return stop("%s has %s, and Proxmox VE needs at least %s: take a larger disk", d.Name, Size(d.Bytes), Size(minBytes))
		case d.Bytes < least(n):
			return stop("%s has %s, and the system with an OSD beside it needs at least %s: take a larger disk, or a smaller install.size", d.Name, Size(d.Bytes), Size(least(n)))
		}
	}
	return nil
}

// permit judges the disks that fit; by is how the profile names each.
func permit(n medium.Target, by []profiles.DiskName, disks []Sighting, why string, f Facts) Verdict {
	var each, doubts []string
	if v := unfit(n, disks); v != nil {
		return *v
	}
	if v := aim(n, disks, f); v != nil {
		return *v
	}
	for i, d := range disks {
		each = append(each, describe(d))
		exact := by[i].Serial != "" || by[i].ByID != "" //nolint:gosec // each disk has its name
		again := begun(n.Name, []Sighting{d}, f) != nil
		switch {
		case d.Mark != nil || f.Again && !d.Blank() && !again:
			doubts = append(doubts, fmt.Sprintf("%s is not empty (%s)", d.Name, holds(d)))
		case d.Blank() || exact || again:
		default:
			doubts = append(doubts, fmt.Sprintf("%s is not empty (%s), and the profile names it only as the kernel counts", d.Name, holds(d)))
		}
	}
	if len(doubts) > 0 {
		return ask(disks, strings.Join(doubts, "; "))
	}
	is := "is"
	if len(disks) > 1 {
		is = "are"
	}
	return Verdict{Outcome: Installs, Disks: disks, Why: why, Says: fmt.Sprintf("%s %s erased (%s): %s", names(disks), is, strings.Join(each, "; "), why)}
}

// aim asks what the installer would take. On a medium that can be written the
// answer names the proven disks, by the names that they keep until the next
// start; else the answer that lies there must mean them and no other.
func aim(n medium.Target, disks []Sighting, f Facts) *Verdict {
	if f.Writable {
		return nil
	}
	if n.Filter == nil && n.List == nil {
		return stop("this medium cannot be written to, so the answer on it cannot name %s: name the disk by its serial in the profile (root_disk), or use a USB stick", names(disks))
	}
	taken := Takes(n, f.Disks)
	missed := slices.ContainsFunc(disks, func(d Sighting) bool {
		return !slices.ContainsFunc(taken, func(t Sighting) bool { return t.Name == d.Name })
	})
	if len(taken) != len(disks) || missed {
		return stop("the installer would take %s by the answer on this medium, and the plan of %s means %s: use a USB stick, or name the disk by another number", names(taken), n.Name, names(disks))
	}
	return nil
}

// begun is the disk on which an installation of the node was begun on this
// machine: what is on it now is ours.
func begun(node string, candidates []Sighting, f Facts) *Sighting {
	for _, e := range slices.Backward(f.Log) {
		if e.What != medium.Began || e.Node != node {
			continue
		}
		if !e.Machine.Same(f.Machine) {
			return nil
		}
		var found []Sighting
		for _, d := range candidates {
			if (d.is(e.Disk) || d.is(e.Mirror)) && d.Mark == nil {
				found = append(found, d)
			}
		}
		if len(found) == 1 {
			return &found[0]
		}
		return nil
	}
	return nil
}

// smallest returns the blank disks of the smallest size that is large enough;
// those that the profile keeps for Ceph are none.
func smallest(candidates []Sighting, n medium.Target) []Sighting {
	var fit []Sighting
	for _, d := range candidates {
		kept := slices.ContainsFunc(n.Others, d.named)
		if !d.Blank() || d.Bytes < least(n) || kept {
			continue
		}
		if len(fit) > 0 && d.Bytes < fit[0].Bytes {
			fit = nil
		}
		if len(fit) == 0 || d.Bytes == fit[0].Bytes {
			fit = append(fit, d)
		}
	}
	return fit
}

// onlyUsed is the verdict where no disk is named and none is blank.
func onlyUsed(n medium.Target, candidates []Sighting) Verdict {
	var large []Sighting
	for _, d := range candidates {
		if d.Bytes >= least(n) && !d.Unreadable && !slices.ContainsFunc(n.Others, d.named) {
			large = append(large, d)
		}
	}
	if len(large) == 1 {
		return ask(large, fmt.Sprintf("%s is the only disk that is large enough, and it is not empty (%s)", large[0].Name, holds(large[0])))
	}
	return *stop("no disk of this machine is blank and of at least %s, and the profile names none: name one by its serial (root_disk), or wipe the one that is to be erased", Size(least(n)))
}
