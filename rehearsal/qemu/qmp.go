package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// monitor speaks QMP, the JSON protocol of QEMU's monitor.
type monitor struct {
	conn net.Conn
	read *bufio.Reader
	kept []answer // events that came while an answer was waited for
}

// monitorPause is how long to wait before a socket that is not there yet is tried again.
const monitorPause = 20 * time.Millisecond

func dialMonitor(ctx context.Context, path string) (*monitor, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "unix", path)
		if err == nil {
			m := &monitor{conn: conn, read: bufio.NewReader(conn)}
			if _, err := m.next(ctx); err != nil { // greeting
				conn.Close()
				return nil, err
			}
			_, err = m.run(ctx, "qmp_capabilities", nil)
			return m, err
		}
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(monitorPause):
		}
	}
}

// answer is one line from QEMU. Events have neither Return nor Error.
type answer struct {
	Return json.RawMessage `json:"return"`
	Event  string          `json:"event"`
	Data   struct {
		Status string `json:"status"`
	} `json:"data"`
	Error *struct {
		Class, Desc string
	} `json:"error"`
}

func (m *monitor) next(ctx context.Context) (answer, error) {
	if deadline, ok := ctx.Deadline(); ok {
		m.conn.SetReadDeadline(deadline) //nolint:errcheck // unix sockets have deadlines
	}
	stop := context.AfterFunc(ctx, func() { m.conn.SetReadDeadline(time.Now()) }) //nolint:errcheck
	defer stop()
	line, err := m.read.ReadBytes('\n')
	if err != nil {
		return answer{}, fmt.Errorf("read from the monitor: %w", err)
	}
	var a answer
	return a, json.Unmarshal(line, &a)
}

// run sends one command and waits for its answer.
func (m *monitor) run(ctx context.Context, name string, arguments map[string]any) (json.RawMessage, error) {
	request := map[string]any{"execute": name}
	if arguments != nil {
		request["arguments"] = arguments
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := m.conn.Write(append(text, '\n')); err != nil {
		return nil, fmt.Errorf("write to the monitor: %w", err)
	}
	for {
		a, err := m.next(ctx)
		switch {
		case err != nil:
			return nil, err
		case a.Error != nil:
			return nil, errors.New(a.Error.Desc)
		case a.Return != nil:
			return a.Return, nil
		}
		m.kept = append(m.kept, a)
	}
}

// await waits for an event, and returns the status that it tells.
func (m *monitor) await(ctx context.Context, event string) (status string, err error) {
	for {
		var a answer
		if len(m.kept) > 0 {
			a, m.kept = m.kept[0], m.kept[1:]
		} else if a, err = m.next(ctx); err != nil {
			return "", fmt.Errorf("wait for %s: %w", event, err)
		}
		if a.Event == event {
			return a.Data.Status, nil
		}
	}
}
