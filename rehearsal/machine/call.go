package machine

import (
	"context"
	"errors"
	"net"
	"os"
)

// ErrNoWorld says that a practice machine is alone.
var ErrNoWorld = errors.New("practice: this machine is in no rehearsal: its tools run where mkimage rehearse runs")

// Call runs a tool of this machine in the world and returns what it prints.
// For a service ready is called once it runs; when the context ends it is told
// to stop, and Call returns when it has.
func Call(ctx context.Context, argv []string, stdin []byte, ready func()) (stdout, stderr []byte, code int, err error) {
	conn, err := net.Dial("unix", Tools)
	if err != nil {
		return nil, nil, 0, ErrNoWorld
	}
	s := newStream(conn)
	defer s.close()
	s.send(message{Do: doCall, Argv: argv, Stdin: stdin, Env: os.Environ()})
	stop := context.AfterFunc(ctx, func() { s.send(message{Do: doHangUp}) })
	defer stop()
	for {
		m, err := s.next()
		if err != nil {
			return nil, nil, 0, ErrNoWorld
		}
		switch m.Do {
		case doReady:
			ready()
		case doEnd:
			return m.Stdout, m.Stderr, m.Code, nil
		}
	}
}
