package discovery

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// enslaved reports whether the interface belongs to a bridge or bond.
func enslaved(name string) bool {
	_, err := os.Lstat("/sys/class/net/" + name + "/master")
	return err == nil
}

// watchLinks returns a channel on which the kernel's news of links and
// addresses arrive. What the news are is not read: each only means to look.
// Without a socket the channel stays silent and the rounds notice.
func (d *Discovery) watchLinks(ctx context.Context) <-chan struct{} {
	news := make(chan struct{}, 1)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return news
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}) != nil {
		_ = unix.Close(fd)
		return news
	}
	// As a file that does not block, it waits with all others and can be closed.
	socket := os.NewFile(uintptr(fd), "netlink")
	d.done.Add(1)
	go func() {
		defer d.done.Done()
		defer socket.Close()
		stop := context.AfterFunc(ctx, func() { socket.Close() })
		defer stop()
		buf := make([]byte, 8192)
		for ctx.Err() == nil {
			_, err := socket.Read(buf)
			if err != nil && !errors.Is(err, unix.ENOBUFS) { // some news were lost: that is news
				return // the rounds notice from now on
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	return news
}
