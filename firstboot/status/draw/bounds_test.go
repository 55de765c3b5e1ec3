package draw

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"ringboot/firstboot/status"
)

// A node that says as much as an answer may hold costs the others no more than an
// honest one.
func TestANodeThatSaysMuchIsDrawnAtOnce(t *testing.T) {
	said := status.Status{Version: 1, Node: "russell", Phase: "forming"}
	for i := range 20000 {
		said.Risks = append(said.Risks, fmt.Sprint(i))
	}
	for i := range 500 {
		said.Events, said.Drift = append(said.Events, status.Event{Text: fmt.Sprint(i)}), append(said.Drift, status.Drift{Text: fmt.Sprint(i)})
		said.Plans, said.Peers = append(said.Plans, status.StepStatus{Name: fmt.Sprint(i)}), append(said.Peers, status.PeerStatus{Node: fmt.Sprint(i)})
	}
	text, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	var heard status.Status
	if err := json.Unmarshal(text, &heard); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p := New(Sources{Cluster: "principia", Now: began, Nodes: []string{"frege", "russell"}, Keyring: true, Asked: map[string]status.Status{"russell": heard}})
	page, err := p.Page()
	if took := time.Since(began); err != nil || took > time.Second || len(page) > 200<<10 {
		t.Errorf("%d bytes within %s: %v", len(page), took, err)
	}
}
