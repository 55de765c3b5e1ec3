package trust

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// readable are the methods that an operator's certificate may ask: they
// change nothing and carry no secret.
var readable = []string{MethodHello, MethodFacts, MethodStatus, MethodRing, MethodReport}

// methods is a Registry. The zero value is ready.
type methods struct {
	mu   sync.RWMutex
	byID map[string]Handler
}

// Handle registers or replaces the handler of a method.
func (m *methods) Handle(method string, h Handler) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byID == nil {
		m.byID = map[string]Handler{}
	}
	m.byID[method] = h
}

// answer runs the handler. A panic in one handler must not end the agent that
// keeps the ring alive; it comes back as an error with its place.
func (m *methods) answer(ctx context.Context, peer, method string, in json.RawMessage) (out json.RawMessage, err error) {
	m.mu.RLock()
	h, ok := m.byID[method]
	m.mu.RUnlock()
	if !ok {
		return nil, refusal{codeUnknown, fmt.Errorf("method %q is not known here", method)}
	}
	if peer == RoleOperator && !slices.Contains(readable, method) {
		return nil, refusal{codeRefused, fmt.Errorf("an operator may only read, not call %s", method)}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler of %s panicked: %v at %s", method, p, firstLines(debug.Stack(), 12))
		}
	}()
	value, err := h(ctx, peer, in)
	if err != nil {
		return nil, err
	}
	out, err = json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("answer of %s: %w", method, err)
	}
	return out, nil
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
