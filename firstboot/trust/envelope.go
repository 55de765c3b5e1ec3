package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Limits of the channel. They bound what one peer can cost, not what the
// plan needs: the largest answer in use, a status, is below 64 KiB.
const (
	maxRequest  = 1 << 20 // whatever is asked; the table says how much for what
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
	codeRefused = "refused"
	codeBusy    = "busy"
	codeVersion = "version"
	codeFinal   = "final"
)

// RemoteError is what the other agent answered. It arrived: the channel works.
type RemoteError struct {
	Node, Method, Code, Text string
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s answered to %s: %s", e.Node, e.Method, e.Text)
}

// Busy reports whether the node was only asked too often.
func (e *RemoteError) Busy() bool { return e.Code == codeBusy }

// Unknown reports whether the node's agent does not know the request: it is of an
// earlier edition.
func (e *RemoteError) Unknown() bool { return e.Code == codeUnknown }

// Final reports whether the node will answer so however often it is asked.
func (e *RemoteError) Final() bool { return e.Code == codeFinal }

// Final marks an answer that asking once more does not change.
func Final(err error) error { return refusal{codeFinal, err} }

// refusal is an error with a code for the wire.
type refusal struct {
	code string
	error
}

func (r refusal) Unwrap() error { return r.error }

func codeOf(err error) string {
	var r refusal
	if errors.As(err, &r) {
		return r.code
	}
	return ""
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
