package keeper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// Where a running agent answers root on its own node: the builder, and the
// keeper, which has a directory of its own.
const (
	BuilderSocket = "/run/ringboot/agent.sock"
	Socket        = "/run/ringboot-keeper/keeper.sock"
)

// Operator is what a handler hears as its peer when root asks on the node.
const Operator = "operator"

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
	Kind  fault.Kind      `json:"kind,omitempty"` // of the error
}

// failed is the answer of a method that did not do it.
func failed(err error) answer { return answer{Error: err.Error(), Kind: fault.Of(err)} }

// Local answers root on this node. Only root can open the socket.
type Local struct{ trust.Methods }

// ErrRunning says that another agent answers on this node.
var ErrRunning = fault.Refused.New("another agent is running on this node: see systemctl status ringboot")

// Listen opens an agent's socket. A left-over of a dead agent
// is replaced, a living one is refused.
func Listen(path string) (net.Listener, error) {
	l, err := host.Socket(path)
	if errors.Is(err, host.ErrAnswers) {
		return nil, ErrRunning
	}
	return l, err
}

// Serve answers until the context ends, then waits for its connections.
func (l *Local) Serve(ctx context.Context, listener net.Listener) {
	l.Count(time.Now)
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
	go func() { _, _ = io.Copy(io.Discard, conn); cancel() }() // how it ends does not matter
	a := l.call(ctx, req)
	text, err := json.Marshal(a)
	if err != nil {
		text, _ = json.Marshal(failed(err))
	}
	conn.SetWriteDeadline(time.Now().Add(requestTimeout))
	_, _ = conn.Write(append(text, '\n')) // whoever is gone does not read it
}

func (l *Local) call(ctx context.Context, req request) answer {
	out, err := l.Answer(ctx, trust.Party{As: []trust.Asker{trust.Root}, Name: Operator}, req.Method, req.In)
	if err != nil {
		return failed(err)
	}
	return answer{Out: out}
}

// ErrNotRunning says that no agent answers on this node.
var ErrNotRunning = fault.Precondition.New("no agent is running on this node: start it with systemctl start ringboot")

// Ask calls a method of the agent that answers at a socket.
func Ask(ctx context.Context, path, method string, in, out any) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return fault.Precondition.New("only root may ask the agent: use sudo")
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
		return max(a.Kind, fault.Unexpected).New(a.Error)
	}
	if out == nil || len(bytes.TrimSpace(a.Out)) == 0 {
		return nil
	}
	return json.Unmarshal(a.Out, out)
}
