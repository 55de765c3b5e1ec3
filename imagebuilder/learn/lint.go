package learn

import (
	"slices"

	"ringboot/imagebuilder/answer"
	"ringboot/profiles/fault"
)

// Candidate is a machine to hold an answer against.
type Candidate struct {
	Name      string // "" where it is the only one
	Inventory answer.Inventory
}

// Report is what an answer does on one machine.
type Report struct {
	Name string
	answer.Report
}

// Inventories reads inventories, those of the official tool as well, and media
// with those of all machines that they were started on.
func Inventories(names []string, read func(string) ([]byte, error)) ([]Candidate, error) {
	var out []Candidate
	add := func(file, name string, text []byte) error {
		inventory, err := answer.ParseInventory(text)
		if err != nil {
			return fault.Precondition.Errorf("%s: %w", file, err)
		}
		out = append(out, Candidate{name, inventory})
		return nil
	}
	for _, file := range names {
		if !isMedium(file) {
			text, err := read(file)
			if err == nil {
				err = add(file, file, text)
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		seen, err := Read([]string{file})
		if err != nil {
			return nil, err
		}
		for _, s := range seen {
			if err := add(file, s.String(), s.JSON); err != nil {
				return nil, err
			}
		}
	}
	if len(out) == 1 {
		out[0].Name = ""
	}
	return out, nil
}

// Lint holds an answer against machines, or against none. all has what is said
// of any of them, each once.
func Lint(file string, text []byte, v answer.Version, machines []Candidate) (all answer.Report, each []Report) {
	if len(machines) == 0 {
		return answer.Lint(file, text, v, nil), nil
	}
	for _, m := range machines {
		r := answer.Lint(file, text, v, &m.Inventory)
		each = append(each, Report{m.Name, r})
		for _, f := range r.Findings {
			if !slices.Contains(all.Findings, f) {
				all.Findings = append(all.Findings, f)
			}
		}
	}
	return all, each
}
