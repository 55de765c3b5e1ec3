package draw

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	"time"

	"ringboot/firstboot/status"
)

//go:embed stranger.html.tmpl
var strangerText string

// Stranger is what anybody on the network may see of a cluster: no more than
// its nodes announce themselves. No address, serial number, version, risk or
// plan is in it.
type Stranger struct {
	Version int            `json:"version"`
	Cluster string         `json:"cluster"`
	Time    time.Time      `json:"time"`
	State   string         `json:"state"`
	Verdict string         `json:"verdict"`
	Nodes   []StrangerNode `json:"nodes"`
}

// StrangerNode is how far a node is.
type StrangerNode struct {
	Name  string `json:"name"`
	Phase string `json:"phase,omitempty"`
	Step  int    `json:"step,omitempty"`
	Steps int    `json:"steps,omitempty"`
}

// strangerVerdict bounds the sentence, as a record does.
const strangerVerdict = 240

// Stranger is the part of the picture that anybody may see.
func (p Picture) Stranger() Stranger {
	s := Stranger{Version: p.Version, Cluster: p.Cluster, Time: p.Time, State: p.State, Verdict: p.Verdict}
	if r := []rune(s.Verdict); len(r) > strangerVerdict {
		s.Verdict = string(r[:strangerVerdict-2]) + ".."
	}
	for _, n := range p.Nodes {
		s.Nodes = append(s.Nodes, StrangerNode{n.Name, n.Phase, n.Step, n.Steps})
	}
	return s
}

// Page draws it, in the manner of the page for those who are let in.
func (s Stranger) Page() ([]byte, error) {
	page, err := template.New("stranger").Parse(strangerText)
	if err != nil {
		return nil, err
	}
	d := struct {
		Stranger
		Standing          status.Standing
		Head, Rest, Stamp string
	}{Stranger: s, Standing: status.StandingOf(s.State), Stamp: s.Time.UTC().Format("2006-01-02 15:04:05 UTC")}
	d.Head, d.Rest, _ = strings.Cut(s.Verdict, ": ")
	var b bytes.Buffer
	err = page.Execute(&b, d)
	return b.Bytes(), err
}
