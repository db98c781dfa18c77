package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxBatch is how many datagrams one system call reads.
const maxBatch = 64

// conn reads with recvmmsg(2). The message headers are kept between calls, so
// that a read allocates nothing.
type conn struct {
	socket
	gso   segmenting
	own   writers
	raw   syscall.RawConn
	read  func(fd uintptr) bool // made once; a closure for each call would allocate
	msgs  [maxBatch]mmsghdr
	iovs  [maxBatch]unix.Iovec
	names [maxBatch]unix.RawSockaddrInet6 // large enough for IPv4 as well
	want  int
	got   int
	errno syscall.Errno
}

// mmsghdr is struct mmsghdr of <sys/socket.h>.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

func newConn(c *net.UDPConn) (Conn, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &conn{socket: socket{c}, raw: raw}
	s.read = s.receive
	return s, nil
}

// NewWriter implements Conn.
func (s *conn) NewWriter() (Writer, error) {
	w, err := newWriter(s)
	if err == nil {
		err = s.own.add(w)
	}
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Close implements Conn.
func (s *conn) Close() error { return errors.Join(s.socket.Close(), s.own.close()) }

func (s *conn) ReadBatch(batch []Datagram) (int, error) {
	s.want = min(len(batch), maxBatch)
	for i := range s.want {
		m := batch[i].Buffer.Memory()
		s.iovs[i].Base = &m[0]
		s.iovs[i].SetLen(len(m))
		h := &s.msgs[i].hdr
		h.Iov, h.Name = &s.iovs[i], (*byte)(unsafe.Pointer(&s.names[i]))
		h.SetIovlen(1)
		h.Namelen = unix.SizeofSockaddrInet6
		h.Flags = 0
	}
	if err := s.raw.Read(s.read); err != nil {
		return 0, err
	}
	if s.errno != 0 {
		return 0, s.errno
	}
	for i := range s.got {
		b := batch[i].Buffer
		b.Data = b.Memory()[:s.msgs[i].len]
		if s.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 {
			b.Data = b.Data[:0]
		}
		batch[i].From = address(&s.names[i])
	}
	return s.got, nil
}

// receive is called by the runtime when the socket may be readable; false asks
// it to wait. The system call is raw, as it never waits itself.
func (s *conn) receive(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.msgs[0])),
			uintptr(s.want), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case syscall.EINTR, syscall.ECONNREFUSED: // the latter: an earlier write found nobody
			continue
		case syscall.EAGAIN:
			return false
		}
		s.got, s.errno = int(n), errno
		return true
	}
}

func address(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), ntohs(v4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), ntohs(name.Port))
}

func ntohs(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}
