package trust

import (
	"testing"
	"time"
)

// orders are words that call the builder of frege back, by keys that do not
// count, or that say what no order may.
func (b besieged) orders(t *testing.T, attack func(string, bool)) {
	now := time.Now()
	good := Order{Task: TaskAccept, By: "russell", To: "frege", At: now, Until: now.Add(time.Hour)}
	counts := func(o Order) bool { return o.Verify(b.book.Bound, "frege", now) == nil }
	if !counts(good.Signed(b.russell.Key)) {
		t.Error("an order of a bound node does not count")
	}
	who := map[string]*Identity{"the keeper of russell": deputyOf(t, b.russell)}
	for name, id := range b.who {
		who[name] = id
	}
	for name, id := range who {
		for _, by := range []string{"russell", "wittgenstein", "frege", id.Name} {
			o := good
			o.By = by
			attack(name+" orders as "+by, counts(o.Signed(id.Key)))
		}
	}
	for name, change := range map[string]func(*Order){
		"an order for another node":         func(o *Order) { o.To = "wittgenstein" },
		"an order in the name of frege":     func(o *Order) { o.By = "frege" },
		"an order to apply the plan":        func(o *Order) { o.Task = "apply" },
		"an order for no task":              func(o *Order) { o.Task = "" },
		"an order of yesterday":             func(o *Order) { o.At = o.At.Add(-24 * time.Hour) },
		"an order of tomorrow":              func(o *Order) { o.At, o.Until = o.At.Add(24*time.Hour), o.Until.Add(24*time.Hour) },
		"an order for a day":                func(o *Order) { o.Until = o.At.Add(24 * time.Hour) },
		"an order that is over":             func(o *Order) { o.Until = now.Add(-time.Second) },
		"an order whose task runs into who": func(o *Order) { o.Task, o.By = TaskAccept+"\x00russell", "" },
	} {
		o := good
		change(&o)
		attack(name, counts(o.Signed(b.russell.Key)))
	}
	for name, change := range map[string]func(*Order){
		"an order with another task":      func(o *Order) { o.Task = TaskAdmit },
		"an order with another end":       func(o *Order) { o.Until = o.Until.Add(time.Minute) },
		"an order with another hour":      func(o *Order) { o.At = o.At.Add(time.Second) },
		"an order without a signature":    func(o *Order) { o.Signature = nil },
		"an order with half a signature":  func(o *Order) { o.Signature = o.Signature[:32] },
		"an order with a grant's words":   func(o *Order) { o.Signature = deputyOf(t, b.russell).Grants["ring"] },
		"an order of the same signature":  func(o *Order) { o.To, o.By = "wittgenstein", "frege" },
		"an order in the name of another": func(o *Order) { o.By = "wittgenstein" },
	} {
		o := good.Signed(b.russell.Key)
		change(&o)
		attack(name, counts(o))
	}
}
