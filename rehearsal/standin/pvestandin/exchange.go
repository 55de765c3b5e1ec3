package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ringboot/rehearsal/standin"
)

// exchange compares the tree with that of every other member.
func (d *daemon) exchange(ctx context.Context) {
	key, err := os.ReadFile(d.m.where.at(keyFile))
	if err != nil || !d.inCluster() {
		return
	}
	d.mu.Lock()
	if !d.locked {
		d.scan()
	}
	conf, digest, clock, running := d.coro.Conf, d.t.digest(), d.t.Clock, d.running
	d.mu.Unlock()
	if !running {
		return
	}
	for _, n := range conf.Nodes {
		if n.Name == d.m.node {
			continue
		}
		answer, err := ask(ctx, n.Addr, port, key, message{From: d.m.node, Digest: digest, Clock: clock})
		if err != nil || answer.Error != "" {
			continue
		}
		d.met(n.Name, answer)
		d.mu.Lock()
		mine, items := d.t.digest(), d.t.Items
		copied := map[string]item{}
		for k, v := range items {
			copied[k] = v
		}
		clock = d.t.Clock
		d.mu.Unlock()
		if mine != answer.Digest {
			_, _ = ask(ctx, n.Addr, port, key, message{From: d.m.node, Digest: mine, Clock: clock, Items: copied})
		}
	}
}

// met takes over what another daemon has sent.
func (d *daemon) met(name string, m message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[name] = time.Now()
	d.joined = d.joined || d.running
	d.take(m)
}

func (d *daemon) take(m message) {
	if m.Items == nil {
		return
	}
	if !d.locked {
		d.scan() // what was written here meanwhile must not be undone
	}
	if taken, changed := d.t.merge(m.Items, m.Clock); changed {
		d.t.showSome(d.dir(), taken)
		if err := d.t.save(d.m.where.at(dbFile)); err != nil {
			fmt.Fprintf(d.err, "pmxcfs: %v\n", err)
		}
		d.hostConf()
	}
}

// exchanged answers another daemon.
func (d *daemon) exchanged(req message) message {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.cluster || !d.running {
		return message{Error: "not in cluster mode"}
	}
	d.take(req)
	out := message{Digest: d.t.digest(), Clock: d.t.Clock}
	if out.Digest != req.Digest {
		out.Items = map[string]item{}
		for k, v := range d.t.Items {
			out.Items[k] = v
		}
	}
	return out
}

// round is one round of high availability.
func (d *daemon) round() {
	d.mu.Lock()
	ok := d.cluster && !d.locked
	d.mu.Unlock()
	if !ok {
		return
	}
	m := newReal(d.ctx)
	standin.HATick(m)
	m.close()
}

// control answers the tools of this machine.
func (d *daemon) control(ctx context.Context) error {
	file := d.m.where.at(controlSocket)
	_ = os.Remove(file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	l, err := net.Listen("unix", file)
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
			_ = conn.SetDeadline(time.Now().Add(exchangeFor))
			line, _ := bufio.NewReader(conn).ReadString('\n')
			if strings.TrimSpace(line) == "flush" {
				d.tick()
				d.exchange(ctx)
			}
			_, _ = conn.Write([]byte("ok\n"))
			_ = conn.Close()
		}
	}()
	return nil
}
