package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/trust/testpki"
)

func TestOperatorReadsOnly(t *testing.T) {
	p := newPKI(t)
	s := NewServer(ServerOptions{Identity: identity(t, p, "russell"), Nodes: three})
	s.Handle(MethodStatus, func(_ context.Context, peer string, _ json.RawMessage) (any, error) {
		return status.Status{Node: peer}, nil
	})
	s.Handle("cluster.key", func(context.Context, string, json.RawMessage) (any, error) { return "key", nil })
	c := client(t, identity(t, p, "builder", testpki.Operator), serve(t, s))
	var status status.Status
	if err := c.Call(t.Context(), "russell", MethodStatus, nil, &status); err != nil {
		t.Fatal(err)
	}
	if status.Node != RoleOperator {
		t.Errorf("the handler saw peer %q", status.Node)
	}
	err := c.Call(t.Context(), "russell", "cluster.key", nil, nil)
	if err == nil || err.Error() != "russell answered to cluster.key: an operator may only read, not call cluster.key" {
		t.Errorf("an operator got %v", err)
	}
}

// reads are the requests of a reader, which change nothing.
func reads() []string {
	var names []string
	for _, r := range Requests() {
		if slices.Contains(r.By, Reader) {
			names = append(names, r.Method)
		}
	}
	return names
}

// A handler that nobody wrote into the table cannot be reached, and a row says
// all that is asked of it.
func TestOnlyTheTableIsAnswered(t *testing.T) {
	var m Methods
	for _, method := range []string{"secret.dump", MethodStatus, "cluster.key", "apply"} {
		m.Handle(method, func(context.Context, string, json.RawMessage) (any, error) { return 1, nil })
	}
	for _, c := range []struct {
		by     []Asker
		method string
		want   string
	}{
		{[]Asker{Root}, "secret.dump", `method "secret.dump" is not known here`},
		{[]Asker{Reader}, MethodStatus, ""},
		{[]Asker{Reader}, "cluster.key", "an operator may only read, not call cluster.key"},
		{[]Asker{Keeper}, MethodStatus, ""},
		{[]Asker{Keeper}, "cluster.key", "the keeper of somebody may only look, not call cluster.key"},
		{[]Asker{Node, Coordinator}, "cluster.key", ""},
		{[]Asker{Node, Coordinator}, "apply", "somebody may not call apply"},
		{[]Asker{Root}, "apply", ""},
		{[]Asker{Root}, "cluster.key", "somebody may not call cluster.key"},
	} {
		_, err := m.Answer(t.Context(), Party{As: c.by, Name: "somebody"}, c.method, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s by %v: %v, want %q", c.method, c.by, err, c.want)
		}
	}
	seen := map[string]bool{}
	for _, r := range Requests() {
		if r.Method == "" || len(r.By) == 0 || len(r.In) == 0 || r.Rate.Times < 1 || r.Rate.Per <= 0 || r.Asks < 1 || r.Answers < 1 || r.Does == "" || seen[r.Method] {
			t.Errorf("the row of %q is not whole, or a second one", r.Method)
		}
		seen[r.Method] = true
	}
}

// Each column of the table is held: in which life, how often, how large.
func TestTheTableIsHeld(t *testing.T) {
	var m Methods
	life, now := Forming, time.Now()
	m.Live(func() Life { return life })
	m.Count(func() time.Time { return now })
	answer := ""
	for _, r := range Requests() {
		m.Handle(r.Method, func(context.Context, string, json.RawMessage) (any, error) { return answer, nil })
	}
	said := func(r Request, at string, in []byte) string {
		if _, err := m.Answer(t.Context(), Party{As: r.By, Name: "russell", At: at}, r.Method, in); err != nil {
			return err.Error()
		}
		return ""
	}
	for _, r := range Requests() {
		for _, life = range Lives() {
			got, want := said(r, "lives", nil), ""
			if !slices.Contains(r.In, life) {
				want = r.Method + " is not answered by a node that is " + string(life)
			}
			if got != want {
				t.Errorf("%s, %s: %q, want %q", r.Method, life, got, want)
			}
		}
		life = r.In[0]
		if got, want := said(r, "sizes", make([]byte, r.Asks+1)), fmt.Sprintf("a question for %s has %d bytes at most, not %d", r.Method, r.Asks, r.Asks+1); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		answer = strings.Repeat("x", r.Answers)
		if got, want := said(r, "sizes", nil), fmt.Sprintf("the answer to %s has %d bytes, and at most %d are sent", r.Method, r.Answers+2, r.Answers); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		answer = ""
		for range r.Rate.Times {
			if got := said(r, "rates", nil); got != "" {
				t.Fatal(got)
			}
		}
		if got, want := said(r, "rates", nil), fmt.Sprintf("russell asks for %s more than %d times in %s", r.Method, r.Rate.Times, r.Rate.Per); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got := said(r, "another address", nil); got != "" {
			t.Error(got)
		}
		now = now.Add(r.Rate.Per)
		if got := said(r, "rates", nil); got != "" {
			t.Errorf("a period later: %s", got)
		}
	}
}
