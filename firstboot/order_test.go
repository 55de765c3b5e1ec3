package firstboot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/trust"
)

// far is another node, as an order finds it: what it says, one after the other.
type far map[string][]any

func (f far) Call(_ context.Context, node, method string, _, out any) error {
	if method != trust.MethodOrder {
		return errors.New("asked for " + method)
	}
	say := f[node][0]
	if len(f[node]) > 1 {
		f[node] = f[node][1:]
	}
	if err, ok := say.(error); ok {
		return err
	}
	*out.(*trust.Ordered) = say.(trust.Ordered)
	return nil
}

// hasty is a clock whose pauses take no time, and which has a number of them.
type hasty struct {
	host.Clock
	left *int
}

func (h hasty) Sleep(ctx context.Context, _ time.Duration) error {
	if *h.left--; *h.left < 0 {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

// Root is told of each node whose builder does not come, and of no other.
func TestTheBuildersOfOthersAreCalled(t *testing.T) {
	p, _ := assembled(t)
	now := time.Now()
	left := 0
	p.Host.Clock = hasty{p.Host.Clock, &left}
	laid, runs := trust.Ordered{}, trust.Ordered{Runs: true, Until: now.Add(2 * time.Hour)}
	for _, c := range []struct {
		what string
		says []any
		want string
	}{
		{"a settled node whose builder starts", []any{laid, errors.New("connection refused"), laid, runs}, ""},
		{"a builder that was called before", []any{runs}, ""},
		{"one that has the order and does not start", []any{laid}, "the builder of far does not come (it has the order, see journalctl -u ringboot-order there): run firstboot resume on it"},
		{"one that does not answer", []any{errors.New("far is not reachable")}, "the builder of far does not come (far is not reachable): run firstboot resume on it"},
		{"one that refuses", []any{&trust.RemoteError{Node: "far", Method: trust.MethodOrder, Text: "no"}}, "no): run firstboot resume on it"},
		{"one that is about to leave", []any{trust.Ordered{Runs: true, Until: now.Add(time.Minute)}}, "it runs and leaves at "},
	} {
		left = 5
		p.mark, p.Caller = &settled.Mark{}, far{"far": c.says}
		got := strings.Join(p.call(t.Context(), trust.TaskAccept, []string{"far"}), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	p.mark, p.Caller = nil, far{}
	if got := p.call(t.Context(), trust.TaskAccept, []string{"far"}); len(got) > 0 {
		t.Errorf("while forming: %v", got)
	}
}
