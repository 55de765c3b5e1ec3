package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringboot/firstboot/step"
	"ringboot/firstboot/trust"
	"ringboot/firstboot/trust/bindings"
)

// bound says whether all nodes have written down the same key for each of
// them. Nothing cluster-wide happens before: from then on no stick is worth
// anything.
func (s *Gate) bound(all []told) (step.Verdict, bool) {
	if s.o.Book == nil {
		return step.Verdict{}, true
	}
	own := s.own(all).facts.Who
	if own.Bound != "" {
		for _, t := range all {
			switch t.facts.Who.Bound {
			case own.Bound:
			case "":
				return step.Wait(fmt.Sprintf("%s has not written down the keys of all nodes yet", t.node)), false
			default:
				return step.Wait(fmt.Sprintf("%s and %s do not have the same keys of all nodes yet", s.o.Node, t.node)), false
			}
		}
		return step.Verdict{}, true
	}
	for _, t := range all {
		if t.facts.Who.Bound != "" {
			return step.Do(fmt.Sprintf("takes over from %s which key each node has", t.node), step.Change{Object: bindings.File, Want: "the keys of all nodes"}), false
		}
	}
	if added := s.o.Profile.Added(); len(added) > 0 {
		return step.Wait(fmt.Sprintf("%s was added to a cluster whose nodes have their keys, and no node has any: take added out of the profile, and make the images of all nodes again", strings.Join(added, ", "))), false
	}
	for _, t := range all {
		for _, n := range s.o.Profile.Nodes {
			switch key := t.facts.Who.Keys[n.Name]; {
			case key == "":
				return step.Wait(fmt.Sprintf("%s has not shown %s the key that it made itself yet", n.Name, t.node)), false
			case key != own.Keys[n.Name]:
				return step.Wait(fmt.Sprintf("%s and %s see two different keys of %s (%s and %s): two machines say that they are it, or one was just installed anew",
					s.o.Node, t.node, n.Name, own.Keys[n.Name], key)), false
			}
		}
		if t.facts.Who.Set != own.Set {
			return step.Wait(fmt.Sprintf("%s and %s see the same keys with different certificates: they agree in a moment", s.o.Node, t.node)), false
		}
	}
	return step.Do("writes down which key each node has", step.Change{Object: bindings.File, Want: "the keys of all nodes"}), false
}

// own is what this node said among all.
func (s *Gate) own(all []told) told {
	return all[slices.IndexFunc(all, func(t told) bool { return t.node == s.o.Node })]
}

// Apply brings this node's packages up to date, and writes down which key each
// node has, once all have said the same and signed it. Whatever else is missing
// lies with the other nodes.
func (s *Gate) Apply(ctx context.Context) error {
	if s.update {
		return s.o.Packages.Make(ctx, s.set)
	}
	if s.o.Book == nil || s.o.Book.Agreed() {
		return nil
	}
	facts, err := s.o.Facts(ctx)
	if err != nil {
		return err
	}
	all := s.ask(ctx)
	words := map[string][]byte{s.o.Node: facts.Who.Word}
	for _, t := range all {
		if t.node == s.o.Node {
			continue
		}
		if t.err != nil {
			return t.err
		}
		if t.facts.Who.Bound != "" {
			var d bindings.Document
			if err := s.o.Caller.Call(ctx, t.node, trust.MethodBindings, nil, &d); err != nil {
				return err
			}
			_, err := s.o.Book.Adopt(d)
			return err
		}
		if t.facts.Who.Set != facts.Who.Set || !maps.Equal(t.facts.Who.Keys, facts.Who.Keys) {
			return &step.NotYet{Reason: fmt.Sprintf("%s sees other keys than this node", t.node)}
		}
		words[t.node] = t.facts.Who.Word
	}
	return s.o.Book.Agree(s.o.Book.Sees(), words)
}
