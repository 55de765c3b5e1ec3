package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// ordersFile is what root remembers of orders that this node obeyed.
const ordersFile = stateDir + "/orders.json"

const (
	// maxOrder bounds a file that a program wrote which listens to the network.
	maxOrder = 16 << 10
	// ordersADay is how often other nodes may call this node's builder back.
	ordersADay = 8
	// callTime is how long a builder that was called may take to answer.
	callTime = 90 * time.Second
	callEach = 3 * time.Second
	// leastLeft is how long a builder that runs already must stay.
	leastLeft = 30 * time.Minute
)

// orders is the content of ordersFile.
type orders struct {
	Version int                  `json:"version"` // 1
	Last    map[string]time.Time `json:"last"`    // by node: the newest order of it
	Obeyed  []time.Time          `json:"obeyed"`  // of the last day
}

// call has the builders of other nodes called back for a task that root typed
// here, and returns a sentence for each that does not come.
func (p *Parts) call(ctx context.Context, task string, nodes []string) []string {
	if p.mark == nil || p.identity == nil {
		return nil // forming: all builders run
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	why := make([]string, len(nodes))
	var all sync.WaitGroup
	for i, node := range nodes {
		all.Go(func() {
			if err := p.callOne(ctx, task, node); err != nil {
				why[i] = fmt.Sprintf("the builder of %s does not come (%v): run firstboot resume on it", node, err)
			}
		})
	}
	all.Wait()
	return slices.DeleteFunc(why, func(s string) bool { return s == "" })
}

func (p *Parts) callOne(ctx context.Context, task, node string) error {
	now := p.Host.Clock.Now()
	o := trust.Order{Task: task, By: p.Node.Name, To: node, At: now, Until: now.Add(trust.LongestOrder)}.Signed(p.identity.Key)
	laid := false
	for {
		var a trust.Ordered
		err := p.Caller.Call(ctx, node, trust.MethodOrder, o, &a)
		var refused *trust.RemoteError
		switch {
		case errors.As(err, &refused):
			return err
		case err == nil && a.Runs:
			if !a.Until.IsZero() && a.Until.Sub(p.Host.Clock.Now()) < leastLeft {
				return fmt.Errorf("it runs and leaves at %s", a.Until.Local().Format("15:04"))
			}
			return nil
		case err == nil:
			laid = true
		}
		// A node on which keeper and builder change places does not answer for a moment.
		if p.Host.Clock.Sleep(ctx, callEach) == nil {
			continue
		}
		switch {
		case laid:
			return errors.New("it has the order, see journalctl -u ringboot-order there")
		case err != nil:
			return err
		}
		return ctx.Err()
	}
}

// ordered answers an order where the builder runs already.
func (p *Parts) ordered(_ context.Context, _ string, _ json.RawMessage) (any, error) {
	a := trust.Ordered{Runs: true}
	if p.request != nil {
		a.Until = p.request.Until
	}
	return a, nil
}

// Obey calls the builder back if the order that the keeper laid down counts. What the
// keeper found is nothing to go by: the signature is held against what root
// on this node knows, and no order is obeyed twice.
func Obey(ctx context.Context, o Options) error {
	order, err := readOrder(host.New(o.Root).Files)
	if err != nil || order == nil {
		return err
	}
	a, err := Build(o)
	if err != nil {
		return err
	}
	p := a.Parts
	switch {
	case p.mark == nil, p.request != nil:
		return nil // it runs
	case p.book == nil:
		return errNotEnrolled
	}
	now := p.Host.Clock.Now()
	if err := order.Verify(p.book.Bound, p.Node.Name, now); err != nil {
		return fault.Refused.Wrap(err)
	}
	if err := enterOrder(p.Host.Files, *order, now); err != nil {
		return err
	}
	text := fmt.Sprintf("%s, as root on %s asks", order.Task, order.By)
	p.Log("the builder is called back: " + text)
	_ = p.Journal.Note("", "the builder is called back: "+text) // the log has it
	return Resume(ctx, o, text, order.Until.Sub(now))
}

// errNoOrder says that the keeper's file is nothing that a keeper writes.
var errNoOrder = fault.Refused.New(keeper.OrderFile + " is no order, and is left: restart ringboot-keeper if nobody wrote there by hand")

// readOrder reads what the keeper laid down, nil for nothing.
func readOrder(f host.Files) (*trust.Order, error) {
	info, err := f.Lstat(keeper.OrderFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxOrder {
		return nil, errNoOrder
	}
	text, err := f.ReadFile(keeper.OrderFile)
	if err != nil {
		return nil, err
	}
	var o trust.Order
	if json.Unmarshal(text, &o) != nil {
		return nil, errNoOrder
	}
	return &o, nil
}

// enterOrder writes down that an order is obeyed, before it is.
func enterOrder(f host.Files, o trust.Order, now time.Time) error {
	text, err := host.ReadOptional(f, ordersFile)
	if err != nil {
		return err
	}
	var kept orders
	if len(text) > 0 && json.Unmarshal(text, &kept) != nil {
		return fault.Refused.Errorf("%s cannot be understood, so no order is obeyed: remove it", ordersFile)
	}
	if err := host.Newer(ordersFile, kept.Version, 1); err != nil {
		return err
	}
	kept.Version = 1
	kept.Obeyed = slices.DeleteFunc(kept.Obeyed, func(t time.Time) bool { return now.Sub(t) > 24*time.Hour })
	switch {
	case !o.At.After(kept.Last[o.By]):
		return fault.Refused.Errorf("the order of %s was obeyed before, or is older than one that was", o.By)
	case len(kept.Obeyed) >= ordersADay:
		return fault.Refused.Errorf("other nodes called the builder back %d times within a day: firstboot resume calls it back by hand", ordersADay)
	}
	if kept.Last == nil {
		kept.Last = map[string]time.Time{}
	}
	kept.Last[o.By], kept.Obeyed = o.At, append(kept.Obeyed, now)
	if text, err = json.Marshal(kept); err != nil {
		return err
	}
	if err := f.WriteFile(ordersFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep that an order is obeyed: %w", err)
	}
	return f.Sync()
}

// others are all other nodes but one.
func (p *Parts) others(but string) []string {
	var names []string
	for _, n := range p.Profile.Others(p.Node.Name) {
		if n.Name != but {
			names = append(names, n.Name)
		}
	}
	return names
}

// called is the error for builders that do not come.
func called(why []string) error {
	if len(why) == 0 {
		return nil
	}
	return fault.Precondition.New(strings.Join(why, "; "))
}
