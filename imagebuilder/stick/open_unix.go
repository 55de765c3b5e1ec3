//go:build linux || darwin

package stick

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// OpenCommand is the hidden command of mkimage that opens a device as root and
// hands the descriptor back.
const OpenCommand = "open-device"

// Open opens the device for writing. Only the open needs root: where this
// process lacks it, self (the path of mkimage) is run through the system's own
// way to ask for the password, and hands the descriptor back.
//
// Once it is open it keeps its number, whoever pulls what; it is looked at
// again then, and nothing is written to one that is not d, or that something uses.
func Open(ctx context.Context, d Device, self string, stderr io.Writer) (interface {
	Target
	io.Closer
}, error) {
	if err := prepare(d.Path); err != nil {
		return nil, err
	}
	f, err := openHere(d.Path)
	if errors.Is(err, os.ErrPermission) {
		f, err = openElevated(ctx, elevate(self, d.Path), stderr)
		if err != nil {
			return nil, fmt.Errorf("opening %s needs root: %w", d.Path, err)
		}
	}
	if err != nil {
		return nil, err
	}
	now, err := behind(ctx, f, d)
	if err == nil {
		err = d.Same(now)
	}
	if err == nil {
		err = now.Refuse(0, true)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return opened(f)
}

func openElevated(ctx context.Context, argv []string, stderr io.Writer) (*os.File, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, theirs, stderr
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, err
	}
	f, receiveErr := receive(ours)
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	return f, receiveErr
}

// HandOver opens the device and sends its descriptor over to, which is the
// standard output of the process that runs as root.
func HandOver(path string, to *os.File) error {
	signal.Ignore(syscall.SIGPIPE)
	f, err := openHere(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Sendmsg(int(to.Fd()), []byte{0}, unix.UnixRights(int(f.Fd())), nil, 0)
}

// receive reads one descriptor from the socket (unix(7), SCM_RIGHTS).
func receive(socket *os.File) (*os.File, error) {
	conn, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	one, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(one, rights)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) == 0 {
		return nil, errors.New("no descriptor came back")
	}
	descriptors, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) == 0 {
		return nil, errors.New("no descriptor came back")
	}
	return os.NewFile(uintptr(descriptors[0]), "device"), nil
}
