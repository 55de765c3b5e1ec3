package profiles

import (
	"bytes"
	"fmt"

	"gopkg.in/yaml.v3"
)

// AnsibleGroup is the group of the nodes in the inventory.
const AnsibleGroup = "ringboot"

// AnsibleFiles are the inventory, group_vars and host_vars of a profile, by
// path. The variables are the profile's own words: "profile" holds all but the
// nodes, "node" of each host is its entry of nodes.
func (p *Profile) AnsibleFiles() (map[string][]byte, error) {
	tree, err := p.tree()
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
		if err := value.Encode(host{n.Address.String(), p.automation()}); err != nil {
			return nil, fmt.Errorf("write inventory: %w", err)
		}
		// The order of the hosts is that of the profile: the founder comes first.
		hosts.Content = append(hosts.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: n.Name}, &value)
		if out["inventory/host_vars/"+n.Name+".yml"], err = ansibleYAML("The node "+n.Name+", in the words of the profile.", map[string]any{"node": nodes[i]}); err != nil {
			return nil, err
		}
	}
	inventory := map[string]any{AnsibleGroup: map[string]any{"hosts": &hosts}}
	if out["inventory/hosts.yml"], err = ansibleYAML("The nodes of "+p.Cluster.Name+"; the first one founds the cluster.", inventory); err != nil {
		return nil, err
	}
	out["inventory/group_vars/"+AnsibleGroup+".yml"], err = ansibleYAML("The cluster, in the words of the profile (docs/profile.md); its nodes are in host_vars.", map[string]any{"profile": tree})
	return out, err
}

// automation is the account that Ansible comes in with: the first that need
// not type a password.
func (p *Profile) automation() string {
	for _, u := range p.Users {
		if u.Sudo == "nopasswd" {
			return u.Name
		}
	}
	return "root"
}

// tree is the profile as YAML sees it.
func (p *Profile) tree() (map[string]any, error) {
	text, err := Marshal(p)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read profile back: %w", err)
	}
	prune(tree)
	return tree, nil
}

// prune takes out what is left out anyway: empty texts and lists, none of
// which is a default of a key that has another.
func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			prune(item)
			list, isList := item.([]any)
			table, isTable := item.(map[string]any)
			if item == "" || isList && len(list) == 0 && k != "osd_disks" || isTable && len(table) == 0 {
				delete(v, k)
			}
		}
	case []any:
		for _, item := range v {
			prune(item)
		}
	}
}

func ansibleYAML(comment string, value any) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "---\n# %s\n# Written by mkimage ansible.\n", comment)
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("write inventory: %w", err)
	}
	return out.Bytes(), enc.Close()
}
