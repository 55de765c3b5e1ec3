package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/cmd/cli"
	"ringboot/imagebuilder"
	"ringboot/imagebuilder/keyring"
	"ringboot/profiles"
)

// planVersion is the format of plan --json.
const planVersion = 1

// nodePlan is what happens to one node.
type nodePlan struct {
	Node       string           `json:"node"`
	Founder    bool             `json:"founder"`
	Erases     string           `json:"erases"`
	Keeps      string           `json:"keeps"`
	Beside     []string         `json:"beside_osds,omitempty"` // the disks that take parts of the OSDs
	OSDs       []string         `json:"osds"`
	Management string           `json:"management"`
	Ring       string           `json:"ring"`
	Key        string           `json:"subscription,omitempty"` // which, not the whole
	Hashes     *profiles.Hashes `json:"hashes,omitempty"`       // absent before the keyring is there
	Risks      []string         `json:"risks"`
	// Proof is what an inventory of the machine bears out; absent without one.
	Proof *imagebuilder.Proof `json:"proof,omitempty"`
}

// clusterPlan is what happens to all.
type clusterPlan struct {
	Version int        `json:"version"`
	Profile string     `json:"profile"`
	Cluster string     `json:"cluster"`
	Proxmox string     `json:"proxmox"`
	System  string     `json:"system"`
	Locale  string     `json:"locale"`
	Sources string     `json:"repositories"`
	Ceph    string     `json:"ceph"`
	HA      string     `json:"ha"`
	After   string     `json:"after_install"`
	Drills  []string   `json:"drills"`
	Users   []string   `json:"users"`
	Nodes   []nodePlan `json:"nodes"`
	Risks   []string   `json:"risks"`
}

func newPlan(t *cli.Terminal) *cobra.Command {
	var profile, node, rootDisk string
	var inventories []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what would be erased, kept and made, before anything is written",
		Example: "  mkimage plan\n  mkimage plan --node frege --root-disk S649NX0R123\n" +
			"  mkimage plan --profile lab.yaml --json\n" +
			"  mkimage plan --node frege --inventory frege.json  # proves what its names mean\n" +
			"  mkimage plan --inventory /dev/sdb                 # which disk of which machine, by what a stick saw",
		Args: cli.None(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadProfile(t, profile)
			if err != nil {
				return err
			}
			nodes, err := c.choose(node, node == "" && rootDisk == "", rootDisk)
			if err != nil {
				return err
			}
			switch {
			case len(inventories) == 1 && len(nodes) == 1 && strings.HasSuffix(inventories[0], ".json"):
				if c.machine, err = readInventory(t, inventories[0]); err != nil {
					return err
				}
			case len(inventories) > 0:
				return meanings(t, c, nodes, inventories, asJSON)
			}
			if err := c.look(cmd.Context(), t); err != nil {
				return err
			}
			if asJSON {
				return planJSON(t.Stdout, c, nodes)
			}
			return describe(t.Page(t.Stdout), c, nodes)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	f.StringVarP(&node, "node", "n", "", "only this node")
	cli.Complete(cmd, "node", func(context.Context) []string { return nodeNames(t, profile) })
	f.StringVar(&rootDisk, "root-disk", "", "serial number of the disk to erase, instead of the profile's")
	f.StringArrayVar(&inventories, "inventory", nil, "inventory of a machine (firstboot inventory --json), or a stick that was started on it; may be repeated")
	f.BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

// planOf works out the plan of the given nodes.
func planOf(c cluster, nodes []string) (clusterPlan, error) {
	p := clusterPlan{
		Version: planVersion, Profile: c.from, Cluster: c.Cluster.Name, Proxmox: c.Proxmox.Version,
		System: systemPlan(c.Profile), Locale: localePlan(c.Profile), Sources: sourcesPlan(c.Profile), Risks: append([]string{}, c.ReleaseRisks()...),
		Ceph: imagebuilder.Ceph(c.Profile), HA: haPlan(c.Profile), After: c.Install.AfterInstall, Drills: drills(c.Acceptance),
	}
	complete := true
	for _, u := range c.Users {
		p.Users = append(p.Users, u.Name)
		complete = complete && len(u.Keys) > 0 && (u.Sudo != "password" || u.PasswordHash != "")
	}
	for _, name := range nodes {
		n, _ := c.Node(name)
		one := nodePlan{
			Node: name, Founder: c.Founder().Name == name, Erases: imagebuilder.ErasesAll(n) + ", and all that is on it",
			Keeps: imagebuilder.Keeps(n), OSDs: osds(c.Profile, n), Beside: imagebuilder.Beside(c.Profile, n), Management: management(c.Profile, n), Ring: ring(c.Profile, n),
			Key: subscription(n), Risks: c.Risks(name),
		}
		if c.machine != nil {
			proof, err := imagebuilder.Prove(c.Profile, name, *c.machine)
			if err != nil {
				return p, err
			}
			one.Proof = &proof
		}
		if complete {
			hashes, err := c.PlanHashes(name)
			if err != nil {
				return p, err
			}
			one.Hashes = &hashes
		}
		p.Nodes = append(p.Nodes, one)
	}
	return p, nil
}

func planJSON(w io.Writer, c cluster, nodes []string) error {
	p, err := planOf(c, nodes)
	if err != nil {
		return err
	}
	return cli.JSON(w, p)
}

// proven says what an inventory bears out, as far as it has it.
func proven(p imagebuilder.Proof) string {
	var out []string
	for _, one := range []struct{ what, device string }{{"erases ", p.Erases}, {"for ceph ", strings.Join(p.Ceph, " and ")}, {"installs over ", p.Port}} {
		if one.device != "" {
			out = append(out, one.what+one.device)
		}
	}
	if len(out) == 0 {
		return "nothing: the inventory has neither disks nor ports"
	}
	return strings.Join(out, ", ")
}

// hashLetters is how much of a hash people compare.
const hashLetters = 12

// look completes the profile where there is a keyring: the hashes of a plan
// cover the accounts, whose passwords lie there. Nothing is made just to look.
func (c cluster) look(ctx context.Context, t *cli.Terminal) error {
	dir, err := c.keyringDir()
	if err != nil || !keyring.Exists(dir) {
		return nil
	}
	_, err = c.complete(ctx, t)
	return err
}

// whose says in the first lines whose cluster an image is for.
func whose(c cluster, nodes []string) string {
	var addresses, erased []string
	for _, name := range nodes {
		n, _ := c.Node(name)
		addresses = append(addresses, name+" "+n.Address.String())
		erased = append(erased, imagebuilder.ErasesAll(n))
	}
	text := fmt.Sprintf("cluster %s from %s: %s; users %s; time zone %s, keyboard %s; may erase: %s",
		c.Cluster.Name, c.from, strings.Join(addresses, ", "), names(c.Users), c.Cluster.Timezone, c.Cluster.Keyboard, strings.Join(slices.Compact(erased), ", "))
	if c.from == imagebuilder.BuiltIn {
		text += "\nThese are examples, not your network: mkimage init writes a profile of your own."
	}
	return text
}

// describe writes the plan for people.
func describe(w cli.Page, c cluster, nodes []string) error {
	p, err := planOf(c, nodes)
	if err != nil {
		return err
	}
	after := "then power off"
	if p.After == "reboot" {
		after = "then reboot"
	}
	row := func(name, text string) { w.Row("", fmt.Sprintf("  %-12s", name+":"), text) }
	w.Row("", "", fmt.Sprintf("cluster %s from %s: Proxmox VE %s, %s", p.Cluster, p.Profile, p.Proxmox, after))
	row("system", p.System)
	row("locale", p.Locale)
	row("sources", p.Sources)
	row("ceph", p.Ceph)
	row("ha", p.HA)
	row("accounts", strings.Join(p.Users, ", "))
	row("drills", strings.Join(p.Drills, ", "))
	for _, r := range p.Risks {
		w.Row(cli.Yellow, "  risk: ", r)
	}
	shared := c.SharedRisks(nodes)
	for _, n := range p.Nodes {
		describeNode(w, n, shared)
	}
	for _, s := range shared {
		w.Row(cli.Yellow, "risk: ", strings.Join(nodes, ", ")+s)
	}
	return nil
}

func describeNode(w cli.Page, n nodePlan, shared []string) {
	row := func(name, text string) { w.Row("", fmt.Sprintf("  %-12s", name+":"), text) }
	title := n.Node
	if n.Founder {
		title += " (founder)"
	}
	fmt.Fprintln(w, w.Paint(cli.Bold, title))
	w.Row(cli.Red+";"+cli.Bold, "  ERASES:     ", n.Erases)
	row("keeps", n.Keeps)
	if len(n.OSDs) > 0 {
		row("for ceph", strings.Join(append(n.OSDs, n.Beside...), ", "))
	}
	row("management", n.Management)
	row("ring", n.Ring)
	if n.Key != "" {
		row("key", n.Key)
	}
	if n.Hashes != nil {
		row("plan", fmt.Sprintf("%s of the cluster, %s of the node", n.Hashes.Cluster[:hashLetters], n.Hashes.Node[:hashLetters]))
	} else {
		row("plan", "no hash yet: the first build makes the keyring, whose accounts it covers")
	}
	if n.Proof != nil {
		row("proven", proven(*n.Proof))
	}
	for _, r := range n.Risks {
		if !slices.Contains(shared, strings.TrimPrefix(r, n.Node)) {
			w.Row(cli.Yellow, "  risk: ", r)
		}
	}
}
