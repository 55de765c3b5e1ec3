package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// What nodes ask each other about a power cut, beside trust.MethodNo.
const (
	MethodNotice = "accept.notice"
	MethodAnswer = "accept.answer"
)

// poll is how often a coordinator looks for a no.
const poll = 2 * time.Second

// Heard is where a no was heard.
type Heard struct {
	Nodes   []string `json:"nodes"`
	Missing []string `json:"missing,omitempty"` // each with why; they are asked once more before any cut
}

// Spread hands a no that this node keeps on to the others. One that does not
// hear it stops no less: nobody is reset before all nodes were asked.
func (o *Own) Spread(ctx context.Context) (Heard, error) {
	h := Heard{Nodes: []string{o.Node}}
	var late error
	for _, n := range o.Profile.Others(o.Node) {
		err := o.ask(ctx, n.Name, trust.MethodNo, o.Said(), nil)
		var refused *trust.RemoteError
		switch {
		case err == nil:
			h.Nodes = append(h.Nodes, n.Name)
		case errors.As(err, &refused) && refused.Final(): // it knows better: it is too late
			late = fault.Refused.New(refused.Text)
		default:
			h.Missing = append(h.Missing, fmt.Sprintf("%s (%v)", n.Name, err))
		}
	}
	return h, late
}

// ask asks a node, which may be this one, of what belongs to a power cut.
func (o *Own) ask(ctx context.Context, node, method string, in, out any) error {
	if node == o.Node {
		switch method {
		case MethodNotice:
			o.Tell(in.(Notice))
		case MethodAnswer:
			*out.(*Answer) = o.Answer()
		case trust.MethodNo:
			return o.Keep(in.(string))
		}
		return nil
	}
	if a, ok := out.(*Answer); ok {
		*a = Answer{} // what an answer leaves out is not what the last one said
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return o.Peers.Call(ctx, node, method, in, out)
}

// Declined says how it comes out where the victim neither consents nor would if
// it were told; "" where it does or would. All nodes are asked for a no, and the
// victim hears of it.
func (o *Own) Declined(ctx context.Context, victim string) (string, error) {
	no, _, err := o.answers(ctx, "")
	var a Answer
	if err == nil {
		err = o.ask(ctx, victim, MethodAnswer, nil, &a)
	}
	if err == nil && no != "" && a.No == "" && o.First() { // it takes what root there agreed to before
		if err = o.ask(ctx, victim, trust.MethodNo, no, nil); err == nil {
			err = o.ask(ctx, victim, MethodAnswer, nil, &a)
		}
	}
	var older *trust.RemoteError
	switch {
	case errors.As(err, &older) && older.Unknown():
		return fmt.Sprintf("the agent of %s is of an earlier edition and cannot be asked for a no: bring all agents to one version with firstboot upgrade --agent FILE, and then run firstboot accept --power-cut %s", older.Node, victim), nil
	case err != nil || a.Consents && !a.Proposes:
		return "", err
	case no != "":
		return fmt.Sprintf("declined by %s; to try it later run firstboot accept --consent on %s, and then firstboot accept --power-cut %[2]s on %s", no, victim, o.Node), nil
	case !a.Proposes:
		return fmt.Sprintf("%s does not consent to a power cut now: run firstboot accept --consent on it, and then firstboot accept --power-cut %[1]s", victim), nil
	}
	return "", nil
}

// answers asks all nodes whether anybody said no, and which of them were not
// told of a notice.
func (o *Own) answers(ctx context.Context, notice string) (no string, untold []string, err error) {
	for _, n := range o.Profile.Nodes {
		var a Answer
		if err := o.ask(ctx, n.Name, MethodAnswer, nil, &a); err != nil {
			return "", nil, fmt.Errorf("%s cannot be asked whether somebody said no to the power cut: %w", n.Name, err)
		}
		if no == "" {
			no = a.No
		}
		if a.Notice != notice {
			untold = append(untold, n.Name)
		}
	}
	return no, untold, nil
}

// Foretell tells all nodes of a power cut that the profile proposes, and waits
// for a no; what it returns is that of Declined. Whoever started anew meanwhile
// was not told: that is an error, and the time begins again.
func (o *Own) Foretell(ctx context.Context, run, victim string) (string, error) {
	var a Answer
	if why, err := o.Declined(ctx, victim); err != nil || why != "" {
		return why, err
	} else if err := o.ask(ctx, victim, MethodAnswer, nil, &a); err != nil || !a.Proposes { // root there consents, or the profile
		return "", err
	}
	n := Notice{ID: run + " " + o.Host.Clock.Now().UTC().Format(time.RFC3339Nano), Victim: victim}
	for _, to := range slices.Concat(o.Profile.Others(victim), o.Profile.Nodes) { // the victim last, so that its time is the shortest
		if err := o.ask(ctx, to.Name, MethodNotice, n, nil); err != nil {
			return "", fmt.Errorf("tell %s that the power of %s is to be cut: %w", to.Name, victim, err)
		}
	}
	for end := o.Host.Clock.Now().Add(NoticeTime + time.Second); ; {
		no, untold, err := o.answers(ctx, n.ID)
		switch {
		case err != nil:
			return "", err
		case no != "":
			return o.Declined(ctx, victim)
		case len(untold) > 0:
			return "", fmt.Errorf("%s started anew while the power cut was told", strings.Join(untold, ", "))
		case !o.Host.Clock.Now().Before(end):
			return "", nil
		}
		if err := o.Host.Clock.Sleep(ctx, poll); err != nil {
			return "", err
		}
	}
}

// Silence is an error where this machine consents because nobody said no, and
// that is not so: it asks all nodes itself, whatever the coordinator found.
func (o *Own) Silence(ctx context.Context) error {
	n := o.told.Load()
	if n == nil || !o.proposes() {
		return nil
	}
	no, untold, err := o.answers(ctx, n.ID)
	switch {
	case err != nil:
		return err
	case no != "":
		return fmt.Errorf("%s is not reset: no was said by %s", o.Node, no)
	case len(untold) > 0:
		return fmt.Errorf("%s is not reset: %s was not told of it", o.Node, strings.Join(untold, ", "))
	}
	return nil
}
