//go:build linux

package floor

import (
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchMessages = 64
	batchBytes    = 256 << 10 // of ciphertext: it should still be in the cache when the kernel reads it
)

// mmsghdr is struct mmsghdr of <sys/socket.h>.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// control is a control message of type UDP_SEGMENT: the size of each datagram.
type control struct {
	hdr  unix.Cmsghdr
	size uint16
	_    [6]byte
}

// batch is what one sendmmsg(2) sends. The headers are made once and point to each
// other, so that sending fills in only what differs.
type batch struct {
	raw      syscall.RawConn
	write    func(fd uintptr) bool
	memory   []byte
	used     int
	messages [batchMessages]mmsghdr
	iovs     [batchMessages]unix.Iovec
	names    [batchMessages]unix.RawSockaddrInet4
	controls [batchMessages]control
	filled   int
	sent     int
	errno    syscall.Errno
}

func newBatch(conn *net.UDPConn) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw, memory: make([]byte, batchBytes)}
	b.write = b.call
	for i := range b.messages {
		h := &b.messages[i].hdr
		b.names[i] = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrInet4
		h.Iov = &b.iovs[i]
		h.SetIovlen(1)
		c := &b.controls[i]
		c.hdr.Level, c.hdr.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.hdr.SetLen(unix.CmsgLen(2))
	}
	return b, nil
}

// room returns an empty slice with room for a message, after sending what is in
// its way.
func (b *batch) room(size int) ([]byte, error) {
	if b.filled == batchMessages || b.used+size > len(b.memory) {
		if err := b.flush(); err != nil {
			return nil, err
		}
	}
	return b.memory[b.used : b.used : b.used+size], nil
}

// add puts a message in the batch: datagrams of the given size, the last of which
// may be shorter.
func (b *batch) add(data []byte, port, size int) {
	i := b.filled
	b.filled++
	b.used += len(data)
	b.iovs[i].Base = &data[0]
	b.iovs[i].SetLen(len(data))
	p := (*[2]byte)(unsafe.Pointer(&b.names[i].Port))
	p[0], p[1] = byte(port>>8), byte(port)
	h := &b.messages[i].hdr
	h.Control = nil
	h.SetControllen(0)
	if len(data) > size {
		b.controls[i].size = uint16(size)
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
		h.SetControllen(int(unsafe.Sizeof(b.controls[i])))
	}
}

// flush sends the batch.
func (b *batch) flush() error {
	for b.sent = 0; b.sent < b.filled; {
		if err := b.raw.Write(b.write); err != nil {
			return fmt.Errorf("floor: send: %w", err)
		}
		if b.errno != 0 {
			return fmt.Errorf("floor: send: %w", b.errno)
		}
	}
	b.filled, b.used = 0, 0
	return nil
}

// call is called by the runtime when the socket may be writable; false asks it to
// wait.
func (b *batch) call(fd uintptr) bool {
	n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.messages[b.sent])),
		uintptr(b.filled-b.sent), unix.MSG_DONTWAIT, 0, 0)
	switch errno {
	case syscall.EAGAIN:
		return false
	case syscall.EINTR, 0:
		errno = 0
		if int(n) > 0 {
			b.sent += int(n)
		}
	}
	b.errno = errno
	return true
}
