package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/host"
	"ringboot/profiles/fault"
)

// AgentFile is where a node keeps the package of its agent.
const AgentFile = "/var/lib/ringboot/agent.deb"

// agentPackage is what is updated, and keeperUnit what is started anew by it.
const (
	agentPackage = "ringboot"
	keeperUnit   = "ringboot-keeper.service"
)

// copyTime bounds the copying of the package to a node, and backTime how long
// its keeper and its ring may take to be whole again.
const (
	copyTime = 5 * time.Minute
	backTime = 2 * time.Minute
)

// AgentPlan is what an update of the agent would do, the leader last.
type AgentPlan struct {
	Version int               `json:"version"` // 1
	Agent   string            `json:"agent"`   // version of the package
	Nodes   []string          `json:"nodes"`   // one after the other
	Have    map[string]string `json:"have"`    // by node
}

// PlanAgent asks each node which agent it has. It changes nothing.
func (u *Upgrade) PlanAgent(ctx context.Context, name string, pkg []byte, only []string) (*AgentPlan, error) {
	p, err := u.apt(u.o.Node).PackageOf(ctx, pkg)
	if err != nil {
		return nil, fault.Precondition.Errorf("%s: %w", name, err)
	}
	if p.Name != agentPackage {
		return nil, fault.Refused.Errorf("%s is the package %s, not the agent: write it with mkimage package", name, p.Name)
	}
	nodes, err := u.nodes(only)
	if err != nil {
		return nil, err
	}
	plan := &AgentPlan{Version: 1, Agent: p.Version, Nodes: order(nodes, u.o.Node), Have: map[string]string{}}
	for _, n := range plan.Nodes {
		have, err := u.agentOf(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		if have != "" && apt.Compare(have, p.Version) > 0 {
			return nil, fault.Refused.Errorf("%s has the agent %s, which is newer than %s of %s: an older one may not read what it wrote; nothing was changed", n, have, p.Version, name)
		}
		plan.Have[n] = have
	}
	return plan, nil
}

func (u *Upgrade) agentOf(ctx context.Context, node string) (string, error) {
	all, err := u.apt(node).Installed(ctx)
	return all[agentPackage], err
}

// RunAgent brings the agents to the plan, one node after the other. It stops at
// the first doubt; the same command goes on, and skips who is done.
func (u *Upgrade) RunAgent(ctx context.Context, plan *AgentPlan, pkg []byte) error {
	sum := sha256.Sum256(pkg)
	for _, n := range plan.Nodes {
		if plan.Have[n] == plan.Agent {
			u.say("%s: has %s already", n, plan.Agent)
			continue
		}
		for _, other := range plan.Nodes {
			if wrong, err := u.o.Ring(ctx, other); err != nil || wrong != "" {
				return fault.Partial.Errorf("%s is not begun: the ring of %s: %s", n, other, said(wrong, err))
			}
		}
		u.say("%s: %s -> %s", n, orNone(plan.Have[n]), plan.Agent)
		run := u.shell(n).Host.Commands
		if _, err := host.Run(ctx, run, host.Cmd{Argv: []string{"dd", "of=" + AgentFile, "status=none"}, Stdin: pkg, Timeout: copyTime}); err != nil {
			return fault.Partial.Errorf("%s did not get the package: %w", n, err)
		}
		out, err := host.Run(ctx, run, host.Cmd{Argv: []string{"sha256sum", AgentFile}, ReadOnly: true, Timeout: perWord})
		if got, _, _ := strings.Cut(out, " "); err != nil || got != hex.EncodeToString(sum[:]) {
			return fault.Partial.Errorf("%s has another package than was sent (%s): is its disk full? Type the same command again", n, said(got, err))
		}
		if err := u.apt(n).InstallFile(ctx, AgentFile); err != nil {
			return fault.Partial.Errorf("%s does not install the agent: %w", n, err)
		}
		if err := u.agentBack(ctx, n, plan.Agent); err != nil {
			return err
		}
	}
	return nil
}

// agentBack waits until the keeper of a node runs and its ring is whole.
func (u *Upgrade) agentBack(ctx context.Context, n, version string) error {
	end := u.o.Host.Clock.Now().Add(backTime)
	for {
		why := ""
		have, err := u.agentOf(ctx, n)
		if err != nil || have != version {
			return fault.Partial.Errorf("%s has the agent %s after the installation, not %s: look at dpkg --audit there", n, said(have, err), version)
		}
		if state, err := u.shell(n).StateHere(ctx, keeperUnit); err != nil || state != "active" {
			why = fmt.Sprintf("its keeper is %s", said(state, err))
		} else if wrong, err := u.o.Ring(ctx, n); err != nil || wrong != "" {
			why = "its ring: " + said(wrong, err)
		}
		if why == "" {
			return nil
		}
		if u.o.Host.Clock.Now().After(end) {
			return fault.Partial.Errorf("%s has the agent %s and is not whole again: %s; look there, the others keep theirs", n, version, why)
		}
		if err := u.o.Host.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func said(words string, err error) string {
	if err != nil {
		return err.Error()
	}
	return orNone(words)
}

func orNone(words string) string {
	if words == "" {
		return "none"
	}
	return words
}
