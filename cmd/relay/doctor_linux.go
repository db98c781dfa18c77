package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// segmentation reports whether this is Linux, and whether its kernel cuts datagrams.
func segmentation() (linux, works bool) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return true, false
	}
	defer c.Close()
	raw, err := c.(*net.UDPConn).SyscallConn()
	if err != nil {
		return true, false
	}
	err = raw.Control(func(fd uintptr) {
		_, getErr := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		works = getErr == nil
	})
	return true, works && err == nil
}
