package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/acceptance"
	"ringboot/firstboot/cluster"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/status"
)

// mayLeave is asked when all steps are done. The builder leaves when the
// report lies on every node and nobody is admitted any more; what the keeper needs
// is handed over first, and the mark comes last.
func (a *Agent) mayLeave(ctx context.Context) (bool, error) {
	p := a.Parts
	if p.request != nil {
		return a.requestEnded(), nil
	}
	if (cluster.Admitted{Host: p.Host}).Open() {
		return false, nil
	}
	s := a.Status()
	if s.Phase != status.PhaseFormed || slices.ContainsFunc(s.Peers, func(q status.PeerStatus) bool { return q.Phase != status.PhaseFormed }) {
		return false, nil
	}
	if err := a.Settle(ctx); err != nil {
		return false, fmt.Errorf("the node is finished and cannot be handed to the keeper: %w", err)
	}
	return true, nil
}

// Settle hands over to the keeper and marks the node. Doing it again replaces
// the keeper's keys and changes nothing else.
func (a *Agent) Settle(ctx context.Context) error {
	p := a.Parts
	if p.Profile == nil {
		return fmt.Errorf("settle the node: %w", ErrNoSeed)
	}
	now := p.Host.Clock.Now()
	s := a.Engine.Status()
	mark := settled.Mark{At: now, Node: p.Node.Name, Agent: p.Version, Plan: p.Seed.Plan.Cluster, Steps: map[string]string{}}
	first := true
	if old, err := settled.Read(p.Host.Files); err != nil {
		return err
	} else if old != nil && !old.At.IsZero() {
		mark, first = *old, false
	}
	for _, step := range s.Plans {
		if step.State == "done" {
			mark.Steps[step.Name] = step.Reason
		}
	}
	var report struct {
		Run string `json:"run"`
	}
	if text, err := p.Host.Files.ReadFile(acceptance.ReportJSON); err == nil && json.Unmarshal(text, &report) == nil {
		mark.Report = report.Run
	}
	if err := handOver(p, mark, s.Plans); err != nil {
		return err
	}
	told := keeper.Told{Version: keeper.ToldVersion, At: now, Risks: s.Risks, Events: s.Events, Member: map[string]status.State{}}
	if facts, err := p.facts.Read(ctx); err == nil {
		told.Facts = facts
	}
	for _, peer := range a.Status().Peers {
		told.Member[peer.Node] = peer.Member
	}
	if err := writeTold(p.Host.Files, told); err != nil {
		return err
	}
	if err := settled.Write(p.Host.Files, mark); err != nil {
		return err
	}
	if first {
		p.startListeners(ctx)
	}
	return nil
}

// startListeners starts the units that wait beside the keeper, as the next start
// of the machine would: where the agent came to a system that ran, nothing has
// yet. What the owner has disabled stays so, and what he stopped later as well.
func (p *Parts) startListeners(ctx context.Context) {
	if p.root != "" {
		return
	}
	for _, unit := range []string{"ringboot-tell.path", "ringboot-order.path", "ringboot-drift.timer"} {
		wants := "multi-user.target.wants/"
		if strings.HasSuffix(unit, ".timer") {
			wants = "timers.target.wants/"
		}
		if _, err := p.Host.Files.Lstat("/etc/systemd/system/" + wants + unit); err != nil {
			continue
		}
		if _, err := host.Run(ctx, p.Host.Commands, host.Cmd{Argv: []string{"systemctl", "start", "--no-block", unit}, Timeout: time.Minute}); err != nil {
			p.Log(err.Error())
		}
	}
}

// handOver writes what the keeper goes by. Nothing that others may read holds a
// secret or a person.
func handOver(p *Parts, mark settled.Mark, steps []status.StepStatus) error {
	f := p.Host.Files
	deputy, err := p.identity.Appoint()
	if err != nil {
		return err
	}
	h := keeper.Handover{Deputy: deputy}
	h.PageCert, _ = host.ReadOptional(f, stateDir+"/page.crt") // without one the keeper makes its own
	h.PageKey, _ = host.ReadOptional(f, stateDir+"/page.key")
	if err := writeJSON(f, keeper.HandoverFile, h, 0o600); err != nil {
		return err
	}
	if err := f.MkdirAll(keeper.PublicDir, 0o755); err != nil {
		return err
	}
	if err := f.Chmod(keeper.PublicDir, 0o755); err != nil { // whatever the umask of whoever asked
		return err
	}
	profile := *p.Profile
	profile.Users = nil
	c := keeper.Charge{Version: keeper.ChargeVersion, Agent: p.Version, Profile: &profile, Seed: p.Seed, Settled: mark.At, Steps: steps}
	if p.book != nil {
		c.Bindings, _ = p.book.Document() // none: the keeper goes by the CA
	}
	if err := writeJSON(f, keeper.ChargeFile, c, 0o644); err != nil {
		return err
	}
	for from, to := range map[string]string{acceptance.ReportHTML: "report.html", acceptance.ReportMarkdown: "report.md", acceptance.ReportJSON: "report.json"} {
		text, err := f.ReadFile(from)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := f.WriteFile(keeper.PublicDir+"/"+to, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writeTold(f host.Files, t keeper.Told) error { return writeJSON(f, keeper.ToldFile, t, 0o644) }

func writeJSON(f host.Files, path string, v any, mode fs.FileMode) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := f.WriteFile(path, append(text, '\n'), mode); err != nil {
		return fmt.Errorf("hand over to the keeper: %w", err)
	}
	return nil
}

// refresh hands over anew what a builder on request has made, such as another
// report. What goes wrong there is told: the keeper has what it had.
func (a *Agent) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
	defer cancel()
	if err := a.Settle(ctx); err != nil {
		a.Parts.Log("the keeper was not told what the builder did: " + err.Error())
	}
	if err := settled.Withdraw(a.Parts.Host.Files); err != nil {
		a.Parts.Log(err.Error())
	}
}

// refreshTime bounds the hand-over at the end of a request.
const refreshTime = 20 * time.Second

// requestEnded reports whether what the builder was asked for is over: its time
// has come, or nothing of it is left to do.
func (a *Agent) requestEnded() bool {
	now := a.Parts.Host.Clock.Now()
	r, err := settled.ReadRequest(a.Parts.Host.Files)
	return err != nil || r == nil || !now.Before(r.Until)
}

// longestRequest bounds what a builder on request may be asked for.
const longestRequest = 24 * time.Hour

// Resume asks for the builder on a settled node once more.
func Resume(ctx context.Context, o Options, task string, d time.Duration) error {
	h := host.New(o.Root)
	mark, err := settled.Read(h.Files)
	if err != nil || mark == nil {
		return err
	}
	r := settled.Request{Task: task, Until: h.Clock.Now().Add(min(d, longestRequest))}
	if err := settled.WriteRequest(h.Files, r); err != nil {
		return err
	}
	for _, do := range [][]string{{"stop", "ringboot-keeper.service"}, {"start", "ringboot.service"}} {
		if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: append([]string{"systemctl"}, do...)}); err != nil {
			return err
		}
	}
	return nil
}

// WithdrawRequest lets the builder go before its time.
func WithdrawRequest(ctx context.Context, o Options) error {
	h := host.New(o.Root)
	if err := settled.Withdraw(h.Files); err != nil {
		return err
	}
	_, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"systemctl", "stop", "ringboot.service"}})
	return err
}
