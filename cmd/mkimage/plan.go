package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

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
	OSDs       []string         `json:"osds"`
	Management string           `json:"management"`
	Ring       string           `json:"ring"`
	Hashes     *profiles.Hashes `json:"hashes,omitempty"` // absent before the keyring is there
	Risks      []string         `json:"risks"`
}

// clusterPlan is what happens to all.
type clusterPlan struct {
	Version int        `json:"version"`
	Profile string     `json:"profile"`
	Cluster string     `json:"cluster"`
	Proxmox string     `json:"proxmox"`
	Ceph    string     `json:"ceph"`
	HA      string     `json:"ha"`
	After   string     `json:"after_install"`
	Drills  []string   `json:"drills"`
	Users   []string   `json:"users"`
	Nodes   []nodePlan `json:"nodes"`
}

func newPlan(t *terminal) *cobra.Command {
	var profile, node, rootDisk string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Say what would be erased, kept and made, before anything is written",
		Example: "  mkimage plan\n  mkimage plan --node frege --root-disk S649NX0R123\n" +
			"  mkimage plan --profile lab.yaml --json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadProfile(profile)
			if err != nil {
				return err
			}
			nodes, err := c.choose(node, node == "" && rootDisk == "", rootDisk)
			if err != nil {
				return err
			}
			// The hashes cover the accounts, whose passwords are the keyring's.
			// Without one, nothing is made just to look.
			if dir, err := c.keyringDir(); err == nil && keyring.Exists(dir) {
				if _, err := c.complete(cmd.Context(), t); err != nil {
					return err
				}
			}
			if asJSON {
				return planJSON(t.stdout, c, nodes)
			}
			return describe(t.stdout, c, nodes)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&profile, "profile", "p", "", "profile (default "+profileFile+", else the built-in one)")
	f.StringVarP(&node, "node", "n", "", "only this node")
	f.StringVar(&rootDisk, "root-disk", "", "serial number of the disk to erase, instead of the profile's")
	f.BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

// planOf works out the plan of the given nodes.
func planOf(c cluster, nodes []string) (clusterPlan, error) {
	p := clusterPlan{
		Version: planVersion, Profile: c.from, Cluster: c.Cluster.Name, Proxmox: c.Proxmox.Version,
		Ceph: cephPlan(c.Profile), HA: haPlan(c.Profile), After: c.Install.AfterInstall, Drills: drills(c.Acceptance),
	}
	complete := true
	for _, u := range c.Users {
		p.Users = append(p.Users, u.Name)
		complete = complete && len(u.Keys) > 0 && (u.Sudo != "password" || u.PasswordHash != "")
	}
	for _, name := range nodes {
		n, _ := c.Node(name)
		one := nodePlan{
			Node: name, Founder: c.Founder().Name == name, Erases: imagebuilder.Erases(n.RootDisk) + ", and all that is on it",
			Keeps: "every other disk", OSDs: osds(c.Profile, n), Management: management(c.Profile, n), Ring: ring(c.Profile, n),
			Risks: c.Risks(name),
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

func osds(p *profiles.Profile, n profiles.Node) []string {
	if !p.Ceph.Enabled {
		return []string{}
	}
	if len(n.OSDDisks) == 0 {
		return []string{"every blank disk of at least 100 GB"}
	}
	var out []string
	for _, d := range n.OSDDisks {
		out = append(out, imagebuilder.Erases(d))
	}
	return out
}

func management(p *profiles.Profile, n profiles.Node) string {
	var ports []string
	for _, port := range n.Ports {
		switch {
		case port.MAC != "":
			ports = append(ports, port.MAC)
		case port.Path != "":
			ports = append(ports, port.Path)
		case port.Interface != "":
			ports = append(ports, port.Interface)
		default:
			ports = append(ports, "driver "+port.Driver)
		}
	}
	return fmt.Sprintf("%s/%d by %s, on %s", n.Address, p.Management.Prefix.Bits(), p.Management.Gateway, strings.Join(ports, " and "))
}

func ring(p *profiles.Profile, n profiles.Node) string {
	var ports []string
	for _, port := range p.PortsOf(n) {
		ports = append(ports, port.Name)
	}
	return fmt.Sprintf("%s on %s (%s, MTU %d, %s)", n.Ring, strings.Join(ports, " and "), p.Ring.Transport, p.Ring.MTU, p.Ring.Routing)
}

func cephPlan(p *profiles.Profile) string {
	if !p.Ceph.Enabled {
		return "none"
	}
	return fmt.Sprintf("%s over the %s, pool %s", p.Ceph.Version, p.Ceph.Network, p.Ceph.Pool)
}

func haPlan(p *profiles.Profile) string {
	if !p.HA.Enabled {
		return "none"
	}
	return "on, shutdown policy " + p.HA.ShutdownPolicy
}

func drills(a profiles.Acceptance) []string {
	out := []string{}
	for _, d := range []struct {
		name string
		on   bool
	}{{"bandwidth", a.Bandwidth}, {"migration", a.Migration}, {"maintenance", a.Maintenance}, {"power cut", a.PowerCut}} {
		if d.on {
			out = append(out, d.name)
		}
	}
	return out
}

func planJSON(w io.Writer, c cluster, nodes []string) error {
	p, err := planOf(c, nodes)
	if err != nil {
		return err
	}
	return writeJSON(w, p)
}

// hashLetters is how much of a hash people compare.
const hashLetters = 12

// describe writes the plan for people.
func describe(w io.Writer, c cluster, nodes []string) error {
	p, err := planOf(c, nodes)
	if err != nil {
		return err
	}
	after := "then power off"
	if p.After == "reboot" {
		after = "then reboot"
	}
	fmt.Fprintf(w, "cluster %s from %s: Proxmox VE %s, %s\n", p.Cluster, p.Profile, p.Proxmox, after)
	fmt.Fprintf(w, "  ceph:       %s\n  ha:         %s\n  accounts:   %s\n  drills:     %s\n", p.Ceph, p.HA, strings.Join(p.Users, ", "), strings.Join(p.Drills, ", "))
	for _, n := range p.Nodes {
		founder := ""
		if n.Founder {
			founder = " (founder)"
		}
		fmt.Fprintf(w, "%s%s\n  ERASES:     %s\n  keeps:      %s\n", n.Node, founder, n.Erases, n.Keeps)
		if len(n.OSDs) > 0 {
			fmt.Fprintf(w, "  for ceph:   %s\n", strings.Join(n.OSDs, ", "))
		}
		fmt.Fprintf(w, "  management: %s\n  ring:       %s\n", n.Management, n.Ring)
		if n.Hashes != nil {
			fmt.Fprintf(w, "  plan:       %s of the cluster, %s of the node\n", n.Hashes.Cluster[:hashLetters], n.Hashes.Node[:hashLetters])
		} else {
			fmt.Fprintf(w, "  plan:       no hash yet: the first build makes the keyring, whose accounts it covers\n")
		}
		for _, r := range n.Risks {
			fmt.Fprintf(w, "  risk: %s\n", r)
		}
	}
	return nil
}
