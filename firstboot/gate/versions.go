package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/status"
	"ringboot/firstboot/step"
)

// Packages brings this node's own packages up to date.
type Packages interface {
	// Due reports whether that is to be tried now; behind says that another node has newer ones.
	Due(behind bool) bool
	// Stuck says why this node has nothing newer, "" if nothing keeps it back.
	Stuck() string
	// Make brings them to what the sources have, and those that set names to its versions.
	Make(ctx context.Context, set map[string]string) error
}

// mostNamed is how many packages a sentence names.
const mostNamed = 4

// cluster reports whether there is a cluster already, which has its set of
// packages. A node that says so and is not trusted yet keeps this one from
// taking newer ones meanwhile, and no more.
func (s *Gate) cluster(all []told) bool {
	return len(members(all)) > 0 || slices.ContainsFunc(s.o.Peers(), func(p status.PeerStatus) bool { return p.Phase == status.PhaseFormed })
}

func members(all []told) []told {
	return slices.DeleteFunc(slices.Clone(all), func(t told) bool { return t.facts.Cluster == "" })
}

// sets compares the packages of all nodes. The measure is the newest of each;
// for a machine that takes a place in a cluster, the newest of its members: it
// takes over their set, back to an older version, too. Where its sources do not
// have that any more it goes in with a newer one, because the cluster is
// upgraded only when none of its nodes is missing.
// Kernels that differ are a risk: a node runs the one that it was started with.
func (s *Gate) sets(all []told) (v step.Verdict, ok bool) {
	if stop := otherProtocol(all); stop != "" {
		return step.Stop(stop), false
	}
	v.Risks = kernelRisks(all)
	joined := members(all)
	set, wrong, ahead, behind := compare(all, joined)
	own := slices.ContainsFunc(slices.Concat(wrong, ahead), func(d difference) bool { return d.node == s.o.Node })
	text := "versions differ: " + few(slices.Concat(wrong, ahead))
	if own && s.o.Packages != nil && s.o.Packages.Due(true) {
		if s.update = true; len(joined) == 0 {
			return step.Do(text+": this node brings its packages up to date", step.Change{Object: "packages", Want: "those of all nodes"}), false
		}
		s.set = set
		return step.Do(text+": this node takes over the packages of the cluster", step.Change{Object: "packages", Want: "those of the cluster"}), false
	}
	if len(ahead) > 0 {
		why := ""
		if own && s.o.Packages != nil && s.o.Packages.Stuck() != "" {
			why = " (" + s.o.Packages.Stuck() + ")"
		}
		v.Risks = append(v.Risks, "newer than the cluster: "+few(ahead)+why+": firstboot upgrade brings the other nodes to it when all are members")
	}
	if len(wrong) == 0 {
		return v, true
	}
	text = "versions differ: " + few(wrong)
	for _, node := range slices.Sorted(maps.Keys(behind)) {
		if why := behind[node]; why != "" {
			return step.Stop(fmt.Sprintf("%s: %s could not follow (%s): connect it to the package sources, or run apt full-upgrade there", text, node, why)), false
		}
	}
	return step.Wait(fmt.Sprintf("%s: %s is to bring its packages up to date", text, strings.Join(slices.Sorted(maps.Keys(behind)), ", "))), false
}

// difference is a package of which a node has another version than is wanted.
type difference struct{ node, words string }

// compare holds the packages of all nodes against the newest that the members
// have, or where there are none, the nodes: the set that is wanted, who has older
// and newer ones, and why whoever is behind stays so.
func compare(all, joined []told) (set map[string]string, wrong, ahead []difference, behind map[string]string) {
	measure := all
	if len(joined) > 0 {
		measure = joined
	}
	set, behind = map[string]string{}, map[string]string{}
	for _, name := range packagesOf(all) {
		newest := newest(measure, name)
		want := newest.facts.Versions[name]
		set[name] = want
		for _, t := range all {
			have := t.facts.Versions[name]
			d := difference{t.node, fmt.Sprintf("%s want %s (%s), have %s (%s)", name, want, newest.node, known(have), t.node)}
			switch order := apt.Compare(have, want); {
			case have == "" && !slices.Contains(must, name), order == 0:
			case order > 0:
				ahead = append(ahead, d)
			default:
				wrong = append(wrong, d)
				behind[t.node] = t.facts.Stuck
			}
		}
	}
	return set, wrong, ahead, behind
}

// must are the packages that every node says it has.
var must = []string{versionManager, versionCorosync}

// packagesOf are the packages that are compared, of all nodes.
func packagesOf(all []told) []string {
	names := map[string]bool{}
	for _, t := range all {
		for name := range t.facts.Versions {
			names[name] = true
		}
	}
	delete(names, versionKernel)
	delete(names, versionAgent)
	return slices.Sorted(maps.Keys(names))
}

func newest(all []told, name string) told {
	return slices.MaxFunc(all, func(a, b told) int { return apt.Compare(a.facts.Versions[name], b.facts.Versions[name]) })
}

func few(all []difference) string {
	var words []string
	for _, d := range all {
		words = append(words, d.words)
	}
	if len(words) > mostNamed {
		return strings.Join(words[:mostNamed], "; ") + fmt.Sprintf(" and %d more", len(words)-mostNamed)
	}
	return strings.Join(words, "; ")
}

// otherProtocol finds agents that do not understand each other. Within one
// protocol their versions may differ.
func otherProtocol(all []told) string {
	for _, t := range all {
		if t.facts.Protocol != status.Protocol {
			return fmt.Sprintf("the agents do not speak one language: %s has version %s (protocol %d), this one protocol %d: install the newer ringboot.deb on both",
				t.node, known(t.facts.Versions[versionAgent]), t.facts.Protocol, status.Protocol)
		}
	}
	return ""
}

func kernelRisks(all []told) []string {
	for _, t := range all {
		if a, b := all[0].facts.Versions[versionKernel], t.facts.Versions[versionKernel]; a != b {
			return []string{fmt.Sprintf("kernels differ: %s runs %s, %s runs %s: restart the node with the older one when it suits", all[0].node, known(a), t.node, known(b))}
		}
	}
	return nil
}

func known(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}
