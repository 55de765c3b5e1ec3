package main

import (
	"ringboot/cmd/cli"
	"ringboot/imagebuilder/learn"
	"ringboot/profiles/draft"
)

// meanings says which disk of which machine each node's plan means.
func meanings(t *cli.Terminal, c cluster, nodes, inventories []string, asJSON bool) error {
	machines, err := learn.Read(inventories)
	if err != nil {
		return err
	}
	found, verdict := learn.Prove(c.Profile, nodes, machines)
	if asJSON {
		if err := cli.JSON(t.Stdout, struct {
			Version  int             `json:"version"`
			Machines []learn.Meaning `json:"machines"`
		}{1, found}); err != nil {
			return err
		}
		return verdict
	}
	learn.Show(t.Stdout, found)
	return verdict
}

// learned puts what can be said of machines that were seen into a draft.
func learned(t *cli.Terminal, from []string, d *draft.Known) error {
	machines, err := learn.Read(from)
	if err != nil {
		return err
	}
	for _, n := range learn.Into(d, machines) {
		t.Warn("%s", n)
	}
	return nil
}
