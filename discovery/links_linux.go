package discovery

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// enslaved tells whether the interface belongs to a bridge or bond.
func enslaved(name string) bool {
	_, err := os.Lstat("/sys/class/net/" + name + "/master")
	return err == nil
}

// watchLinks returns a channel on which the kernel's news of links and
// addresses arrive. What the news are is not read: each only means to look.
// Without a socket the channel stays silent and the rounds notice.
func (d *Discovery) watchLinks(ctx context.Context) <-chan struct{} {
	news := make(chan struct{}, 1)
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return news
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR
	// The time-out is how long Close waits for the reader.
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}) != nil ||
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 250_000}) != nil {
		_ = unix.Close(fd)
		return news
	}
	d.done.Add(1)
	go func() {
		defer d.done.Done()
		defer unix.Close(fd)
		buf := make([]byte, 8192)
		for ctx.Err() == nil {
			_, _, err := unix.Recvfrom(fd, buf, 0)
			switch err {
			case nil, unix.ENOBUFS: // some news were lost: that is news
				select {
				case news <- struct{}{}:
				default:
				}
			case unix.EAGAIN, unix.EINTR:
			default:
				return // the rounds notice from now on
			}
		}
	}()
	return news
}
