package trust

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits of the channel. They bound what one peer can cost, not what the
// plan needs: the largest answer in use, a status, is below 64 KiB.
const (
	maxRequest  = 1 << 20
	maxResponse = 4 << 20
	pathCall    = "/v1/call/"
	headerProto = "Ringboot-Protocol"
)

// envelope wraps every answer.
type envelope struct {
	Version int             `json:"version"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
	Code    string          `json:"code,omitempty"`
}

// Codes of errors on which a caller may branch.
const (
	codeUnknown = "unknown-method"
	codeClosed  = "window-closed"
	codeRefused = "refused"
	codeBusy    = "busy"
	codeVersion = "version"
)

// RemoteError is what the other agent answered. It arrived: the channel works.
type RemoteError struct {
	Node, Method, Code, Text string
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s answered to %s: %s", e.Node, e.Method, e.Text)
}

// ErrWindowClosed is returned to callers of a method that is only answered
// while the cluster is being formed.
var ErrWindowClosed = errors.New("the join window is closed: the cluster is formed")

// Is lets errors.Is find ErrWindowClosed across the wire.
func (e *RemoteError) Is(target error) bool {
	return target == ErrWindowClosed && e.Code == codeClosed
}

// refusal is an error with a code for the wire.
type refusal struct {
	code string
	error
}

func (r refusal) Unwrap() error { return r.error }

func codeOf(err error) string {
	var r refusal
	switch {
	case errors.As(err, &r):
		return r.code
	case errors.Is(err, ErrWindowClosed):
		return codeClosed
	}
	return ""
}

// InWindow answers only while open says so: what hands out the corosync key
// stops being there once the cluster is formed.
func InWindow(open func() bool, h Handler) Handler {
	return func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		if !open() {
			return nil, ErrWindowClosed
		}
		return h(ctx, peer, in)
	}
}

// OnlyFrom answers only the nodes that may says yes to.
func OnlyFrom(may func(peer string) bool, h Handler) Handler {
	return func(ctx context.Context, peer string, in json.RawMessage) (any, error) {
		if !may(peer) {
			return nil, refusal{codeRefused, fmt.Errorf("%s may not ask this", peer)}
		}
		return h(ctx, peer, in)
	}
}

// readLimited reads at most limit bytes and complains about more.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return text, nil
}
