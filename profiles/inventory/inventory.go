// Package inventory writes a profile as Ansible's inventory and variables, in the
// profile's own words.
package inventory

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"

	"ringboot/profiles"
)

// Group is the group of the nodes in the inventory.
const Group = "ringboot"

// Files are the inventory, group_vars and host_vars of a profile, by
// path. The variables are the profile's own words: "profile" holds all but the
// nodes, "node" of each host is its entry of nodes.
func Files(p *profiles.Profile) (map[string][]byte, error) {
	tree, err := p.Tree()
	if err != nil {
		return nil, err
	}
	nodes, _ := tree["nodes"].([]any)
	delete(tree, "nodes")
	type host struct {
		Address string `yaml:"ansible_host"`
		User    string `yaml:"ansible_user"`
	}
	hosts := yaml.Node{Kind: yaml.MappingNode}
	out := map[string][]byte{}
	for i, n := range p.Nodes {
		var value yaml.Node
		if err := value.Encode(host{n.Address.String(), automation(p)}); err != nil {
			return nil, fmt.Errorf("write inventory: %w", err)
		}
		// The order of the hosts is that of the profile: the founder comes first.
		hosts.Content = append(hosts.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: n.Name}, &value)
		if out["inventory/host_vars/"+n.Name+".yml"], err = document("The node "+n.Name+", in the words of the profile.", map[string]any{"node": nodes[i]}); err != nil {
			return nil, err
		}
	}
	inventory := map[string]any{Group: map[string]any{"hosts": &hosts}}
	if out["inventory/hosts.yml"], err = document("The nodes of "+p.Cluster.Name+"; the first one founds the cluster.", inventory); err != nil {
		return nil, err
	}
	out["inventory/group_vars/"+Group+".yml"], err = document("The cluster, in the words of the profile (docs/profile.md); its nodes are in host_vars.", map[string]any{"profile": tree})
	return out, err
}

// automation is the account that Ansible comes in with: the first that need
// not type a password.
func automation(p *profiles.Profile) string {
	for _, u := range p.Users {
		if u.Sudo == "nopasswd" {
			return u.Name
		}
	}
	return "root"
}

func document(comment string, value any) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "---\n# %s\n# Written by mkimage ansible.\n", comment)
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("write inventory: %w", err)
	}
	return out.Bytes(), enc.Close()
}
