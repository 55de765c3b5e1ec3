#!/usr/bin/python
"""Ask the agent of a node for one step of its plan."""

DOCUMENTATION = r"""
module: ringboot_step
short_description: Ask Ringboot's agent for one step of its plan
description:
  - Runs C(firstboot apply --only STEP --json) on the node and turns the answer
    into changed, ok or failed, with a diff.
  - A step that waits for something outside the node is asked for again until
    I(timeout) is over.
options:
  step:
    description: Name of the step, such as C(base) or C(cluster).
    required: true
    type: str
  timeout:
    description: How long a waiting step is asked for again, seconds.
    default: 600
    type: int
  pause:
    description: Seconds between two tries.
    default: 5
    type: int
  agent:
    description: The agent's command.
    default: /usr/sbin/firstboot
    type: path
"""

EXAMPLES = r"""
- name: Form the cluster
  ringboot_step:
    step: cluster
    timeout: 1800
"""

RETURN = r"""
result:
  description: What the agent says of the step - ok, changed, waiting, stopped, failed or pending.
  type: str
  returned: always
reason:
  description: The agent's sentence.
  type: str
  returned: always
"""

import json
import os
import time

from ansible.module_utils.basic import AnsibleModule


def ask(module):
    """Make one pass and return what the agent says of the step."""
    argv = [module.params["agent"], "apply", "--only", module.params["step"], "--json"]
    if module.check_mode:
        argv.append("--check")
    code, out, err = module.run_command(argv)
    try:
        steps = json.loads(out)["steps"]
    except (ValueError, KeyError, TypeError):
        module.fail_json(msg="the agent gave no answer: %s" % (err.strip() or out.strip() or "exit code %d" % code))
    if not steps:
        module.fail_json(msg="the agent has no step %s" % module.params["step"])
    return steps[0]


def diff(changes):
    """Show changes as Ansible shows those of a file."""
    lines = {"before": [], "after": []}
    for change in changes or []:
        lines["before"].append("%s: %s" % (change["object"], change.get("have") or "-"))
        lines["after"].append("%s: %s" % (change["object"], change["want"]))
    return {side: "\n".join(text) + ("\n" if text else "") for side, text in lines.items()}


def main():
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 600},
            "pause": {"type": "int", "default": 5},
            "agent": {"type": "path", "default": "/usr/sbin/firstboot"},
        },
        supports_check_mode=True,
    )
    if module.check_mode and not os.path.exists(module.params["agent"]):
        module.exit_json(changed=True, result="pending", reason="the agent would be installed first")
    deadline = time.monotonic() + module.params["timeout"]
    changes, worked = [], False
    while True:
        answer = ask(module)
        result, reason = answer["result"], answer.get("reason", "")
        changes += answer.get("changes") or []
        if result in ("ok", "changed"):
            break
        if module.check_mode:
            # What a step waits for may come from steps that check mode leaves out.
            module.exit_json(changed=True, result=result, reason=reason, diff=diff(changes))
        worked = worked or bool(changes)
        if result == "stopped" or time.monotonic() >= deadline:
            module.fail_json(msg="%s: %s: %s" % (module.params["step"], result, reason), result=result, reason=reason)
        time.sleep(module.params["pause"])
    changed = result == "changed" or worked
    module.exit_json(changed=changed, result=result, reason=reason, diff=diff(changes if changed else []))


if __name__ == "__main__":
    main()
