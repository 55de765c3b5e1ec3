package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// PhaseFormed is the phase of a node that has nothing left to do.
const PhaseFormed = "formed"

// How a cluster, or one node, stands.
const (
	StateEmpty       = "empty"        // nobody was heard
	StateStopped     = "stopped"      // a person must decide something
	StateWaiting     = "waiting"      // a node waits, or is missing
	StateForming     = "forming"      // it goes on by itself
	StateFormed      = "formed"       // and how the acceptance came out is not known here
	StateAccepted    = "accepted"     // formed, and everything that was tried passed
	StateWarnings    = "warnings"     // formed, and something should be looked at
	StateNotAccepted = "not-accepted" // formed, and the acceptance failed
)

// Tone is how good a standing is, for whoever shows it in colour.
type Tone string

// The tones. Colour is never alone: the word says it too.
const (
	Good Tone = "good"
	Fair Tone = "fair"
	Bad  Tone = "bad"
)

// Standing is one way to stand, with all that follows from it.
type Standing struct {
	State  string
	Word   string // how it is called
	Tone   Tone
	Formed bool
	Ends   fault.Kind // how a command ends that was asked whether all is well
}

// standings is the table of all of them.
func standings() []Standing {
	return []Standing{
		{StateEmpty, "nothing heard", Bad, false, fault.Partial},
		{StateStopped, "stopped", Bad, false, fault.Partial},
		{StateWaiting, "waiting", Fair, false, fault.Partial},
		{StateForming, "forming", Fair, false, fault.Partial},
		{StateFormed, "formed", Good, true, fault.Done},
		{StateAccepted, "formed and accepted", Good, true, fault.Done},
		{StateWarnings, "formed with warnings", Fair, true, fault.Done},
		{StateNotAccepted, "formed and not accepted", Bad, true, fault.Unverified},
	}
}

// StandingOf is the row of a state; a state that nobody knows is bad.
func StandingOf(state string) Standing {
	all := standings()
	if i := slices.IndexFunc(all, func(s Standing) bool { return s.State == state }); i >= 0 {
		return all[i]
	}
	return Standing{State: state, Word: state, Tone: Bad, Ends: fault.Unexpected}
}

// Known is a node as far as a verdict needs it.
type Known struct {
	Name    string
	Missing string // why it is not there; "": it is
	Phase   string
	Step    int
	Steps   int
	Since   time.Time
	Working bool   // its step goes on by itself
	Waiting string // what it waits for, or what it works against
	Stopped bool
}

// Known is the node that says this of itself.
func (s Status) Known() Known {
	return Known{Name: s.Node, Phase: s.Phase, Step: s.Step, Steps: s.Steps, Since: s.Since, Waiting: s.Waiting, Stopped: s.Stopped, Working: s.working()}
}

// working reports whether the present step goes on by itself.
func (s Status) working() bool {
	return s.Step > 0 && s.Step <= len(s.Plans) && s.Plans[s.Step-1].State == "todo"
}

// Cluster is what is known from one place, and what a verdict is made of. One
// node alone is a cluster of one.
type Cluster struct {
	Nodes      []Known
	Silence    string // why nothing can be heard
	Deaf       bool   // nobody was heard, asked or looked for
	Unverified bool   // anybody could have said it
	Risks      int
	Drift      int
	Settled    bool // the builder has left it alone
	Acceptance *Acceptance
}

// Verdict says how a cluster stands: the same in every place that shows it.
type Verdict struct {
	Standing
	Mark  string        // ", unverified", or nothing
	Rest  string        // what follows the word
	Do    string        // what to do about it; "": nothing
	Since time.Time     // since when the step is under way
	Usual time.Duration // how long it took in the rehearsal; 0: not known
}

// Text is the one sentence. It changes only when something else happens.
func (v Verdict) Text() string { return v.Word + v.Mark + ": " + v.Rest }

// Clock says for how long it has been like that, and what is usual; "" where
// nothing is under way.
func (v Verdict) Clock(now time.Time) string {
	if v.Since.IsZero() || v.Formed {
		return ""
	}
	text := "for " + Age(now.Sub(v.Since))
	if v.Usual > 0 {
		text += ", usually " + Age(v.Usual)
	}
	return text
}

// Judge is the verdict on one node, as it says it of itself.
func (s Status) Judge() Verdict {
	return Cluster{Nodes: []Known{s.Known()}, Risks: len(s.Risks), Drift: len(s.Drift), Settled: !s.Settled.IsZero(), Acceptance: s.Acceptance}.Judge()
}

// Judge is the only place that makes a verdict.
func (c Cluster) Judge() Verdict {
	present, missing, slowest := c.sort()
	say := func(state, do, format string, args ...any) Verdict {
		v := Verdict{Standing: StandingOf(state), Do: do, Rest: fmt.Sprintf(format, args...)}
		if c.Unverified && present > 0 {
			v.Mark = ", unverified"
		}
		return v
	}
	switch {
	case present == 0 && c.Silence != "":
		return say(StateEmpty, "", "%s", c.Silence)
	case c.Deaf || len(c.Nodes) == 0:
		return say(StateEmpty, "", "are the nodes switched on, and in this network?")
	case slowest != nil && slowest.Stopped:
		who := slowest.Name + " needs a person"
		if len(c.Nodes) == 1 {
			who = fmt.Sprintf("step %d of %d, %s needs a person", slowest.Step, slowest.Steps, slowest.Phase)
		}
		return say(StateStopped, explain(slowest.Waiting), "%s: %s", who, slowest.Waiting)
	case len(missing) > 0:
		return say(StateWaiting, "look at its console: it says what it does", "%smissing %s", c.have(present), strings.Join(missing, "; "))
	case slowest != nil:
		at := fmt.Sprintf("%sstep %d of %d", c.have(present), slowest.Step, slowest.Steps)
		v := say(StateForming, "", "%s, %s", at, c.doing(*slowest))
		if slowest.Waiting != "" && !slowest.Working {
			v = say(StateWaiting, explain(slowest.Waiting), "%s, %s%s: %s", at, slowest.Phase, c.at(*slowest), slowest.Waiting)
		}
		v.Since, v.Usual = slowest.Since, profiles.Usual(slowest.Phase)
		return v
	}
	return c.formed(say)
}

// explain is where more stands about a sentence with which a node waits.
func explain(sentence string) string {
	if sentence == "" {
		return ""
	}
	return "as the sentence says; peers explain tells more about it"
}

// sort counts who is there, names who is missing, and finds the node that holds
// the others up: one that needs a person, else the one that is furthest back.
func (c Cluster) sort() (present int, missing []string, slowest *Known) {
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Missing != "" {
			missing = append(missing, n.Name+" ("+n.Missing+")")
			continue
		}
		present++
		if n.Phase == PhaseFormed {
			continue
		}
		if slowest == nil || n.Stopped && !slowest.Stopped || n.Stopped == slowest.Stopped && n.Step < slowest.Step {
			slowest = n
		}
	}
	return present, missing, slowest
}

// have counts the nodes, where there is more than one.
func (c Cluster) have(present int) string {
	if len(c.Nodes) < 2 {
		return ""
	}
	return fmt.Sprintf("have %d/%d, ", present, len(c.Nodes))
}

// at names a node among others.
func (c Cluster) at(n Known) string {
	if len(c.Nodes) < 2 {
		return ""
	}
	return " at " + n.Name
}

// doing says what a node works at.
func (c Cluster) doing(n Known) string {
	text := n.Phase
	if doing := profiles.Doing(n.Phase); doing != "" {
		text += ": " + n.Name + " " + doing
	} else {
		text += c.at(n)
	}
	if n.Waiting != "" {
		text += " (" + n.Waiting + ")"
	}
	return text
}

// formed is the verdict on a cluster with nothing left to do.
func (c Cluster) formed(say func(state, do, format string, args ...any) Verdict) Verdict {
	is := fmt.Sprintf("%d of %d nodes", len(c.Nodes), len(c.Nodes))
	if len(c.Nodes) == 1 {
		is = fmt.Sprintf("all %d steps are done", c.Nodes[0].Steps)
	}
	if c.Settled {
		is += ", and the node is left alone"
	}
	if c.Drift > 0 {
		is += ", " + count(c.Drift, "difference") + " from the plan"
	}
	risks := "no known risk"
	if c.Risks > 0 {
		risks = count(c.Risks, "risk")
	}
	a := c.Acceptance
	switch {
	case a == nil:
		return say(StateFormed, "", "%s, %s", is, risks)
	case a.Outcome == OutcomePassed:
		return say(StateAccepted, "", "%s, %s", is, risks)
	case a.Outcome == OutcomeWarnings:
		return say(StateWarnings, "read the report, and look at what it names", "%s; %s", is, a.reason())
	}
	return say(StateNotAccepted, fmt.Sprintf("mend it, then run firstboot accept on %s; the report has the rest", a.By), "%s; %s", is, a.reason())
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Age writes a duration as short as a table wants it.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
