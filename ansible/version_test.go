package ansible_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/rehearsal/need"
)

// TestAgentsAreComparedBeforeAnythingIsChanged plays the role's comparison on
// this machine, with a stand-in of dpkg-query for each node.
func TestAgentsAreComparedBeforeAnythingIsChanged(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "ansible-playbook:ansible-core", "dpkg")
	tasks, err := filepath.Abs("roles/ringboot-agent/tasks/version.yml")
	if err != nil {
		t.Fatal(err)
	}
	// play gives each node the agent of that version, "" none, and returns what
	// was said and whether the next task was reached.
	play := func(pkg string, agents map[string]string) (string, bool) {
		dir := t.TempDir()
		write := func(name, text string) {
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		hosts := ""
		for node, version := range agents {
			hosts += node + " ansible_connection=local bin=" + filepath.Join(dir, node) + "\n"
			text := "#!/bin/sh\necho 'dpkg-query: no packages found matching ringboot' >&2\nexit 1\n"
			if version != "" {
				text = "#!/bin/sh\n[ \"$*\" = '-W -f ${db:Status-Status} ${Version} ringboot' ] && printf '%s' 'installed " + version + "'\n"
			}
			write(node+"/dpkg-query", text)
		}
		write("hosts", "[ringboot]\n"+hosts)
		write("site.yml", "- hosts: ringboot\n  gather_facts: false\n  any_errors_fatal: true\n  environment: {PATH: \"{{ bin }}:/usr/bin:/bin\"}\n"+
			"  vars: {ringboot_agent_version: \""+pkg+"\"}\n  tasks:\n    - ansible.builtin.import_tasks: "+tasks+
			"\n    - ansible.builtin.file: {path: \"{{ bin }}/changed\", state: touch}\n")
		cmd := exec.CommandContext(t.Context(), "ansible-playbook", "-i", "hosts", "site.yml")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "ANSIBLE_NOCOLOR=1", "COLUMNS=400")
		out, err := cmd.CombinedOutput()
		changed, _ := filepath.Glob(filepath.Join(dir, "*", "changed"))
		if (err == nil) != (len(changed) == len(agents)) || err != nil && len(changed) > 0 {
			t.Errorf("%v, and changed are %v:\n%s", err, changed, out)
		}
		return string(out), err == nil
	}

	out, ok := play("1.3", map[string]string{"frege": "1.3", "russell": "1.2-4-gabc", "wittgenstein": ""})
	if want := "russell has the agent 1.2-4-gabc, which is older than 1.3 of this playbook, and keeps it: peers upgrade --agent"; !ok || !strings.Contains(out, want) || strings.Contains(out, "frege has the agent") {
		t.Errorf("older and absent: %v\n%s", ok, out)
	}
	out, ok = play("1.3", map[string]string{"frege": "1.3", "russell": "1.2", "wittgenstein": "1.10"})
	if want := "wittgenstein has the agent 1.10, which is newer than 1.3 of this playbook, and nothing was changed on any node"; ok || !strings.Contains(out, want) {
		t.Errorf("newer: %v\n%s", ok, out)
	}
	if out, ok = play("", map[string]string{"frege": "1.10"}); !ok || strings.Contains(out, "has the agent") {
		t.Errorf("a package of no known version: %v\n%s", ok, out)
	}
}
