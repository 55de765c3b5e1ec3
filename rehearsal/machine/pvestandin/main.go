// Command pvestandin plays Proxmox VE in a practice machine: the name that it
// is called by decides which program it is.
//
// Install it as tools.Program and make the links of tools.Links and the unit
// files of tools.Units; enable the units of tools.Services. Nearly all that it
// plays runs in the world, the process of the rehearsal (see package machine):
// called as a tool it hands the call on, and prints what comes back. What it
// does itself is what must be on the machine: practice-link is the way to the
// world, each daemon of Ceph listens on Ceph's public network, so that who is
// not reached there is down, pveproxy shows a page, and watchdog-mux loads
// softdog, except in a container. corosync is Debian's.
//
// /etc/ringboot-practice.speed may hold a number: what the tools' working time
// is multiplied with (1 is as observed on real nodes; absent: 0.2).
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ringboot/rehearsal/machine"
	"ringboot/rehearsal/tools"
	"ringboot/rehearsal/tools/ceph"
)

func main() {
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	name := filepath.Base(args[0])
	if _, known := tools.Tools()[name]; !known && len(args) > 1 && name == "standin" {
		args = args[1:]
		name = filepath.Base(args[0])
	}
	var err error
	switch name {
	case "practice-link":
		err = machine.Link(ctx, notifyReady)
	case "pveproxy":
		err = page(ctx)
	case "watchdog-mux":
		err = watchdogMux(ctx)
	case "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds":
		if len(args) != 2 {
			fmt.Fprintf(stderr, "usage: %s ID\n", name)
			return 2
		}
		err = cephDaemon(ctx, name[len("ceph-"):], args[1])
	case "idle", "pvedaemon", "pvestatd", "pve-ha-crm", "pve-ha-lrm":
		<-ctx.Done()
	case "pmxcfs":
		return call(ctx, []string{name}, nil, stdout, stderr)
	default:
		stop() // a tool ends at once when it is told to
		return call(context.Background(), append([]string{name}, args[1:]...), stdin, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// call runs one of the tools for this machine.
func call(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var in []byte
	if f, ok := stdin.(*os.File); ok {
		// A terminal or /dev/null is no input.
		if i, err := f.Stat(); err == nil && i.Mode()&os.ModeCharDevice == 0 {
			in, _ = io.ReadAll(f)
		}
	}
	out, errs, code, err := machine.Call(ctx, argv, in, notifyReady)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", argv[0], err)
		return 1
	}
	_, _ = stdout.Write(out)
	_, _ = stderr.Write(errs)
	return code
}

// notifyReady tells systemd that a service runs.
func notifyReady() {
	if s := os.Getenv("NOTIFY_SOCKET"); s != "" {
		if conn, err := net.Dial("unixgram", s); err == nil {
			_, _ = conn.Write([]byte("READY=1"))
			_ = conn.Close()
		}
	}
}

// cephDaemon is a monitor, manager, metadata server or OSD. What makes it one
// is that it runs, and that it listens on Ceph's network.
func cephDaemon(ctx context.Context, kind, id string) error {
	for {
		// /etc/pve is there once this node has quorum
		out, _, code, err := machine.Call(ctx, []string{ceph.Listens, kind, id}, nil, nil)
		if at := strings.TrimSpace(string(out)); err == nil && code == 0 && at != "" {
			l, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			context.AfterFunc(ctx, func() { _ = l.Close() })
			notifyReady()
			for {
				conn, err := l.Accept()
				if err != nil {
					return nil //nolint:nilerr // it was told to stop
				}
				_ = conn.Close()
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
