package firstboot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ringboot/firstboot/trust"
)

// SocketPath is where a running agent answers root on its own node.
const SocketPath = "/run/ringboot/agent.sock"

// Operator is what a handler hears as its peer when root asks on the node.
const Operator = "operator"

// MethodApply makes one pass; it takes PassOptions and answers []Outcome.
const MethodApply = "apply"

const (
	maxRequest = 1 << 20
	// requestTimeout bounds the reading of a request, not the work.
	requestTimeout = 5 * time.Second
)

// request and answer are the two JSON values of one connection.
type request struct {
	Method string          `json:"method"`
	In     json.RawMessage `json:"in,omitempty"`
}

type answer struct {
	Out   json.RawMessage `json:"out,omitempty"`
	Error string          `json:"error,omitempty"`
}

// Local answers root on this node. Only root can open the socket.
type Local struct {
	mu    sync.Mutex
	table map[string]trust.Handler
}

// Handle adds a method.
func (l *Local) Handle(method string, h trust.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.table == nil {
		l.table = map[string]trust.Handler{}
	}
	l.table[method] = h
}

// ErrRunning says that another agent answers on this node.
var ErrRunning = errors.New("another agent is running on this node: see systemctl status ringboot")

// Listen opens the agent's socket below a root. A left-over of a dead agent
// is replaced, a living one is refused.
func Listen(root string) (net.Listener, error) {
	path := filepath.Join(root, SocketPath)
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, ErrRunning
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the agent's socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the agent's socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the agent's socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("protect the agent's socket: %w", err)
	}
	return listener, nil
}

// Serve answers until the context ends, then waits for its connections.
func (l *Local) Serve(ctx context.Context, listener net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(100 * time.Millisecond) // out of descriptors: let others end
			continue
		}
		all.Go(func() { l.serve(ctx, conn) })
	}
}

func (l *Local) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) })
	defer stop()
	conn.SetReadDeadline(time.Now().Add(requestTimeout))
	var req request
	if err := json.NewDecoder(io.LimitReader(conn, maxRequest)).Decode(&req); err != nil {
		return
	}
	// Whoever asked and goes away ends the work that was asked for.
	conn.SetReadDeadline(time.Time{})
	go func() { io.Copy(io.Discard, conn); cancel() }()
	a := l.call(ctx, req)
	text, err := json.Marshal(a)
	if err != nil {
		text, _ = json.Marshal(answer{Error: err.Error()})
	}
	conn.SetWriteDeadline(time.Now().Add(requestTimeout))
	conn.Write(append(text, '\n'))
}

func (l *Local) call(ctx context.Context, req request) answer {
	l.mu.Lock()
	h := l.table[req.Method]
	l.mu.Unlock()
	if h == nil {
		return answer{Error: fmt.Sprintf("this agent has no method %q: it may be of another version", req.Method)}
	}
	out, err := h(ctx, Operator, req.In)
	if err != nil {
		return answer{Error: err.Error()}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Out: text}
}

// ErrNotRunning says that no agent answers on this node.
var ErrNotRunning = errors.New("no agent is running on this node: start it with systemctl start ringboot")

// Ask calls a method of the agent that runs on this node, below a root.
func Ask(ctx context.Context, root, method string, in, out any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(root, SocketPath))
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return errors.New("only root may ask the agent: use sudo")
		}
		return ErrNotRunning
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	req := request{Method: method}
	if in != nil {
		if req.In, err = json.Marshal(in); err != nil {
			return fmt.Errorf("ask the agent: %w", err)
		}
	}
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the agent ended while it was asked: %w", err)
	}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	if out == nil || len(bytes.TrimSpace(a.Out)) == 0 {
		return nil
	}
	return json.Unmarshal(a.Out, out)
}

func statusMethod(a *Agent) trust.Handler {
	return func(context.Context, string, json.RawMessage) (any, error) { return a.Status(), nil }
}

func applyMethod(a *Agent) trust.Handler {
	return func(ctx context.Context, _ string, in json.RawMessage) (any, error) {
		var o PassOptions
		if len(in) > 0 {
			if err := json.Unmarshal(in, &o); err != nil {
				return nil, err
			}
		}
		return a.Engine.Pass(ctx, o)
	}
}
