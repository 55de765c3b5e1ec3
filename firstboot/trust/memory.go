package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// Memory connects agents within one process, for tests of what runs over the
// channel. Requests and answers pass through JSON as they do on the wire, so
// that nothing is shared by accident.
type Memory struct {
	mu    sync.Mutex
	nodes map[string]*MemoryNode
	cut   map[[2]string]error
}

// NewMemory returns a network without nodes.
func NewMemory() *Memory {
	return &Memory{nodes: map[string]*MemoryNode{}, cut: map[[2]string]error{}}
}

// MemoryNode is one agent on a Memory: it asks and it answers.
type MemoryNode struct {
	Methods
	name string
	net  *Memory
}

var (
	_ Caller   = (*MemoryNode)(nil)
	_ Registry = (*MemoryNode)(nil)
)

// Node returns the named agent and makes it at the first time.
func (m *Memory) Node(name string) *MemoryNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.nodes[name]; ok {
		return n
	}
	n := &MemoryNode{name: name, net: m}
	m.nodes[name] = n
	return n
}

// Remove takes the named agent away with its handlers, as a power cut does.
func (m *Memory) Remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.nodes, name)
}

// Cut makes calls from one node to another fail with err; nil mends it.
func (m *Memory) Cut(from, to string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		delete(m.cut, [2]string{from, to})
		return
	}
	m.cut[[2]string{from, to}] = err
}

// errUnreachable is what a call to an absent agent returns.
var errUnreachable = errors.New("connection refused")

// Call implements Caller.
func (n *MemoryNode) Call(ctx context.Context, node, method string, in, out any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.net.mu.Lock()
	to, ok := n.net.nodes[node]
	cut := n.net.cut[[2]string{n.name, node}]
	n.net.mu.Unlock()
	if cut != nil {
		return fmt.Errorf("ask %s: %w", node, cut)
	}
	if !ok {
		return fmt.Errorf("ask %s: %w", node, errUnreachable)
	}
	request, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask %s for %s: %w", node, method, err)
	}
	answer, err := to.Answer(ctx, Party{As: askersOver(n.name, false), Name: n.name}, method, request)
	if err != nil {
		return &RemoteError{Node: node, Method: method, Code: codeOf(err), Text: err.Error()}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("answer of %s to %s: %w", node, method, err)
	}
	return nil
}
