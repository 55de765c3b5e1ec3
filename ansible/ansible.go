// Package ansible holds the playbook and its roles, so that mkimage can write
// them beside the inventory that it makes from a profile. It runs nothing.
package ansible

import "embed"

// Files are the playbook, its first page, its configuration, module and roles. The inventory
// that lies here is that of the built-in profile and is not among them.
//
//go:embed README.md site.yml ansible.cfg .ansible-lint library roles
var Files embed.FS
