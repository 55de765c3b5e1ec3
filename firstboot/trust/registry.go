package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"ringboot/profiles/fault"
)

// Methods collects the handlers of an agent, before and after the channel and
// the socket that ask for them exist. The zero value is ready.
type Methods struct {
	mu      sync.RWMutex
	byID    map[string]Handler
	unknown func(method string) error // says why a method is not answered; may be nil
	life    func() Life               // nil: forming
	rates   rates                     // nothing is counted before Count
}

// Party is who asks.
type Party struct {
	As   []Asker // what it may be
	Name string  // of the node, or the role
	At   string  // what its requests are counted by beside the name; "" on the node itself
}

// Live says what the node is doing when it is asked.
func (m *Methods) Live(life func() Life) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.life = life
}

// Count has the rates of the table kept, by that clock. A simulation, whose
// hours take a moment, does not count.
func (m *Methods) Count(now func() time.Time) { m.rates.by(now) }

// Explain has peers told why a method is not answered that other agents answer.
func (m *Methods) Explain(why func(method string) error) {
	if why == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unknown = why
}

// Handle registers or replaces the handler of a method.
func (m *Methods) Handle(method string, h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		m.byID = map[string]Handler{}
	}
	m.byID[method] = h
}

// Names are the methods that have a handler, sorted.
func (m *Methods) Names() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var names []string
	for name := range m.byID {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Answer runs the handler of a request that the party may make, as its row of
// the table says. A panic in one handler must not end the agent that
// keeps the ring alive; it comes back as an error with its place.
func (m *Methods) Answer(ctx context.Context, by Party, method string, in json.RawMessage) (out json.RawMessage, err error) {
	h, row, err := m.admit(by, method, len(in))
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler of %s panicked: %v at %s", method, p, firstLines(debug.Stack(), 12))
		}
	}()
	value, err := h(ctx, by.Name, in)
	if err != nil {
		return nil, err
	}
	out, err = json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", method, err)
	}
	if len(out) > row.Answers {
		return nil, fmt.Errorf("the answer to %s has %d bytes, and at most %d are sent", method, len(out), row.Answers)
	}
	return out, nil
}

// admit finds the handler of a request and holds the request against its row.
func (m *Methods) admit(by Party, method string, size int) (Handler, Request, error) {
	m.mu.RLock()
	h, ok := m.byID[method]
	why, life := m.unknown, Forming
	if m.life != nil {
		life = m.life()
	}
	m.mu.RUnlock()
	row, known := requestOf(method)
	refuse := func(code string, err error) (Handler, Request, error) { return nil, row, refusal{code, err} }
	switch {
	case !ok && known && why != nil:
		return refuse(codeUnknown, why(method))
	case !ok || !known:
		return refuse(codeUnknown, fault.Precondition.Errorf("method %q is not known here: the agent may be of another version", clip(method, 40)))
	case slices.ContainsFunc(row.By, func(a Asker) bool { return slices.Contains(by.As, a) }):
	case slices.Contains(by.As, Reader):
		return refuse(codeRefused, fmt.Errorf("an operator may only read, not call %s", method))
	case slices.Contains(by.As, Keeper):
		return refuse(codeRefused, fmt.Errorf("the keeper of %s may only look, not call %s", by.Name, method))
	default:
		return refuse(codeRefused, fmt.Errorf("%s may not call %s", by.Name, method))
	}
	switch {
	case !slices.Contains(row.In, life):
		return refuse(codeRefused, fault.Precondition.Errorf("%s is not answered by a node that is %s", method, life))
	case size > row.Asks:
		return refuse(codeRefused, fmt.Errorf("a question for %s has %d bytes at most, not %d", method, row.Asks, size))
	case !m.rates.take(method+" "+by.Name+" "+by.At, row.Rate):
		return refuse(codeBusy, fmt.Errorf("%s asks for %s more than %d times in %s", by.Name, method, row.Rate.Times, row.Rate.Per))
	}
	return h, row, nil
}

func firstLines(text []byte, n int) string {
	for i, c := range text {
		if c == '\n' {
			if n--; n == 0 {
				return string(text[:i])
			}
		}
	}
	return string(text)
}
