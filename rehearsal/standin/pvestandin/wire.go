package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// port is where the daemons meet. It is one of this program's own.
const port = "5409"

const (
	maxFrame    = 64 << 20
	dialTime    = 700 * time.Millisecond
	exchangeFor = 5 * time.Second
)

// message is one request or answer between two daemons.
type message struct {
	From   string
	Nonce  string // of the request, also in its answer
	Digest string
	Clock  uint64
	Items  map[string]item `json:",omitempty"`
	Op     *op             `json:",omitempty"`
	Error  string          `json:",omitempty"`
	Errno  string          `json:",omitempty"` // exist, absent
	Bytes  []byte          `json:",omitempty"`
}

var errAuth = errors.New("not authenticated with this cluster's key")

// send writes a frame: length, HMAC-SHA256 under corosync's key, text.
func send(w io.Writer, key []byte, m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	_, err = w.Write(append(mac.Sum(head), text...))
	return err
}

func receive(r io.Reader, key []byte) (message, error) {
	head := make([]byte, 4+sha256.Size)
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxFrame {
		return message{}, fmt.Errorf("frame of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return message{}, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	if !hmac.Equal(mac.Sum(nil), head[4:]) {
		return message{}, errAuth
	}
	var m message
	return m, json.Unmarshal(text, &m)
}

func nonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// ask sends one request to the first address that takes it.
func ask(ctx context.Context, addrs []string, port string, key []byte, m message) (message, error) {
	if len(key) == 0 {
		return message{}, errAuth
	}
	m.Nonce = nonce()
	var last error
	for _, a := range addrs {
		d := net.Dialer{Timeout: dialTime}
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(a, port))
		if err != nil {
			last = err
			continue
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(exchangeFor))
		if err := send(conn, key, m); err != nil {
			return message{}, err
		}
		answer, err := receive(conn, key)
		if err != nil {
			return message{}, err
		}
		if answer.Nonce != m.Nonce {
			return message{}, errAuth
		}
		return answer, nil
	}
	return message{}, last
}

// listen answers the other daemons until the context ends.
func (d *daemon) listen(ctx context.Context, at string) error {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = l.Close()
	}()
	d.work.Add(1)
	go func() {
		defer d.work.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.work.Add(1)
			go func() {
				defer d.work.Done()
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(exchangeFor))
				d.answer(conn)
			}()
		}
	}()
	return nil
}

func (d *daemon) answer(conn net.Conn) {
	key, err := os.ReadFile(d.m.where.at(keyFile))
	if err != nil || len(key) == 0 {
		return
	}
	req, err := receive(conn, key)
	if err != nil {
		return
	}
	var out message
	if req.Op != nil {
		out = d.perform(*req.Op)
	} else {
		out = d.exchanged(req)
	}
	out.Nonce, out.From = req.Nonce, d.m.node
	_ = send(conn, key, out)
}
