// Command pvestandin plays Proxmox VE in a practice machine: the name that it
// is called by decides which program it is.
//
// Install it as standin.Program and make the links of standin.Links and the
// unit files of standin.Units; enable the units of standin.Services. corosync
// itself is Debian's: the daemon pmxcfs of this program asks corosync-quorumtool
// and corosync-cfgtool, keeps /etc/pve (a tmpfs that turns read-only without
// quorum), copies corosync.conf to the host, reloads corosync, writes .members,
// and replicates /etc/pve to the other members over TCP port 5409,
// authenticated with corosync's key. pmxcfs also plays the rounds of HA.
//
// Each daemon of Ceph is a process of systemd's that listens on Ceph's public
// network, monitors on TCP port 3300: who is not reached there is down, and
// more than half of the monitors must be reached for anything to happen. They
// keep the store in files and grant one change at a time. watchdog-mux loads
// softdog, except in a container.
//
// /etc/ringboot-practice.speed may hold a number: what the tools' working time
// is multiplied with (1 is as observed on real nodes; absent: 0.2).
//
// It is for rehearsals only: it carries no guest, stores no data, and its
// replication is no consensus protocol.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"ringboot/rehearsal/standin"
)

func main() {
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	name := filepath.Base(args[0])
	if _, known := standin.Tools()[name]; !known && len(args) > 1 && (name == "standin" || name == "pvestandin") {
		args = args[1:]
		name = filepath.Base(args[0])
	}
	var err error
	switch name {
	case "pmxcfs":
		err = serve(ctx, stderr)
	case "pveproxy":
		err = page(ctx)
	case "watchdog-mux":
		err = watchdogMux(ctx)
	case "ceph-mon", "ceph-mgr", "ceph-osd", "ceph-mds":
		if len(args) != 2 {
			fmt.Fprintf(stderr, "usage: %s ID\n", name)
			return 2
		}
		err = cephDaemon(ctx, name[len("ceph-"):], args[1], stderr)
	case "idle", "pvedaemon", "pvestatd", "pve-ha-crm", "pve-ha-lrm":
		<-ctx.Done()
	default:
		return tool(ctx, append([]string{name}, args[1:]...), stdin, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// tool runs one of the tools on this machine.
func tool(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	m := newReal(ctx)
	var in []byte
	if f, ok := stdin.(*os.File); ok {
		// A terminal or /dev/null is no input.
		if i, err := f.Stat(); err == nil && i.Mode()&os.ModeCharDevice == 0 {
			in, _ = io.ReadAll(f)
		}
	}
	out, errs, code := standin.Run(m, argv, in, os.Environ())
	m.close()
	_, _ = stdout.Write(out)
	_, _ = stderr.Write(errs)
	return code
}
