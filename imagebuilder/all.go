package imagebuilder

import (
	"bytes"
	"path"
	"strings"

	"ringboot/imagebuilder/deb"
	"ringboot/imagebuilder/guard"
	"ringboot/profiles"
	"ringboot/profiles/fault"
	"ringboot/profiles/medium"
)

// seedName begins the name of a seed package.
const seedName = "ringboot-seed_"

// allSeedPath is the place of the seed package on a medium for all nodes.
var allSeedPath = path.Join(packagesDir, seedName+"1_all.deb")

// ticketOf is the ticket of one node on a medium for all.
func ticketOf(node string) string {
	return strings.TrimSuffix(medium.TicketFile, ".env") + "-" + node + ".env"
}

// filesForAll makes a medium for all nodes: the answers and seeds of all lie in a
// store, and what looks at a machine first puts those of its node into the places
// that the installer reads. Until then the installer finds no answer, and stops.
func (r Request) filesForAll(plan profiles.Hashes) ([]file, string, error) {
	if r.Preflight == nil {
		return nil, "", fault.Refused.Errorf("a medium for all nodes is turned into that of a node by what looks at the machine first: make it with preflight, or one image for each node")
	}
	var answers, seeds [][]byte
	var tickets []guard.NodeTicket
	var all []file
	for _, n := range r.Profile.Nodes {
		one := r
		one.Node = n.Name
		own, err := r.Profile.PlanHashes(n.Name)
		if err != nil {
			return nil, "", err
		}
		toml, seed, err := one.own(own)
		if err != nil {
			return nil, "", err
		}
		packed, err := seed.Build()
		if err != nil {
			return nil, "", err
		}
		answers, seeds = append(answers, toml), append(seeds, packed)
		ticket := r.add(ticketOf(n.Name), r.armed(n.Name))
		ticket.changes = true
		all = append(all, ticket)
		tickets = append(tickets, guard.NodeTicket{Node: n.Name, File: ticketOf(n.Name)})
	}
	answerLen, seedLen := longest(answers), longest(seeds)
	var store []byte
	for i := range answers {
		seed, err := deb.Fill(seeds[i], seedLen)
		if err != nil {
			return nil, "", err
		}
		store = append(store, fill(answers[i], answerLen)...)
		store = append(store, seed...)
	}
	menu, err := r.menu(guard.Options{Node: "one node after the other", Erases: "the disk that is proven on each machine", TicketFile: medium.TicketFile, Tickets: tickets})
	if err != nil {
		return nil, "", err
	}
	kept, current, seed := r.add(medium.StoreFile, store), r.add(AnswerPath, fill([]byte(medium.NoAnswer), answerLen)), r.add(allSeedPath, make([]byte, seedLen))
	for _, f := range []*file{&kept, &current, &seed} {
		f.secret, f.changes = true, true
	}
	return r.riding(append(append(all, menu...), kept, current, seed, r.Agent.file), medium.KindAll)
}

// filesToLook makes a medium that only looks: it has no answer, no seed and no
// agent, so that nothing can be installed from it by itself.
func (r Request) filesToLook(profiles.Hashes) ([]file, string, error) {
	if r.Preflight == nil {
		return nil, "", fault.Refused.Errorf("a medium that only looks is nothing without preflight")
	}
	menu, err := r.menu(guard.Options{Node: "nothing", Erases: "nothing", TicketFile: medium.TicketFile, Looks: true})
	if err != nil {
		return nil, "", err
	}
	answers := r.add(AnswerPath, fill([]byte(medium.NoAnswer), medium.Room(len(medium.NoAnswer))))
	answers.changes = true
	return r.riding(append(menu, answers), medium.KindProbe)
}

// longest is the length of a place that each of the contents fits.
func longest(contents [][]byte) int64 {
	n := int64(0)
	for _, c := range contents {
		n = max(n, medium.Room(len(c)))
	}
	return n
}

// fill makes a text n bytes long.
func fill(text []byte, n int64) []byte {
	return append(bytes.Clone(text), bytes.Repeat([]byte{'\n'}, int(n)-len(text))...)
}
