package pve

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Right is one access rule.
type Right struct{ Path, User, Role string }

// ask runs a reading command and decodes its JSON.
func (n Local) ask(ctx context.Context, out any, argv ...string) error {
	argv = append(argv, "--output-format", "json")
	res, err := n.run(ctx, short, true, argv...)
	if err != nil {
		return err
	}
	if res.Code != 0 {
		return Failure(argv, res)
	}
	if err := json.Unmarshal(res.Stdout, out); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(argv[:3], " "), err)
	}
	return nil
}

// Users lists the users of the cluster: root@pam.
func (n Local) Users(ctx context.Context) ([]string, error) {
	var rows []struct {
		ID string `json:"userid"`
	}
	if err := n.ask(ctx, &rows, "pveum", "user", "list"); err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	sort.Strings(ids)
	return ids, nil
}

// ACL lists the access rules of users.
func (n Local) ACL(ctx context.Context) ([]Right, error) {
	var rows []struct {
		Path string `json:"path"`
		Type string `json:"type"`
		ID   string `json:"ugid"`
		Role string `json:"roleid"`
	}
	if err := n.ask(ctx, &rows, "pveum", "acl", "list"); err != nil {
		return nil, err
	}
	var list []Right
	for _, r := range rows {
		if r.Type == "user" {
			list = append(list, Right{r.Path, r.ID, r.Role})
		}
	}
	return list, nil
}

// Options reads the datacenter options.
func (n Local) Options(ctx context.Context) (map[string]any, error) {
	out := map[string]any{}
	return out, n.ask(ctx, &out, "pvesh", "get", "/cluster/options")
}

// AddUser makes a user of the cluster and proves it; one that exists is done.
func (n Local) AddUser(ctx context.Context, id string) error {
	argv := []string{"pveum", "user", "add", id}
	res, err := n.run(ctx, medium, false, argv...)
	if err != nil {
		return err
	}
	users, err := n.Users(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(users, id) {
		return Failure(argv, res)
	}
	return nil
}

// Grant gives a role to a user and proves it.
func (n Local) Grant(ctx context.Context, r Right) error {
	argv := []string{"pveum", "acl", "modify", r.Path, "--users", r.User, "--roles", r.Role}
	res, err := n.run(ctx, medium, false, argv...)
	if err != nil {
		return err
	}
	rights, err := n.ACL(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(rights, r) {
		return Failure(argv, res)
	}
	return nil
}

// SetOptions sets datacenter options; the caller reads them back.
func (n Local) SetOptions(ctx context.Context, options map[string]string) error {
	argv := []string{"pvesh", "set", "/cluster/options"}
	for _, k := range sortedKeys(options) {
		argv = append(argv, "--"+k, options[k])
	}
	return n.honest(ctx, medium, argv...)
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
