package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// segmenting says whether the kernel cuts runs into datagrams (UDP_SEGMENT, Linux
// 4.18). It is tried, and given up for a socket at the first refusal.
type segmenting struct{ refused atomic.Bool }

// writer sends with sendmmsg(2), on a descriptor of its own: writers of one socket
// do not wait for each other. The message headers are kept between calls.
type writer struct {
	socket // of the descriptor
	gso    *segmenting
	v6     bool
	raw    syscall.RawConn
	write  func(fd uintptr) bool // made once; a closure for each call would allocate
	msgs   [maxRuns]mmsghdr
	iovs   [maxRuns]unix.Iovec
	names  [maxRuns]unix.RawSockaddrInet6 // large enough for IPv4 as well
	sizes  [maxRuns]segmentSize
	runs   []Run
	sent   int
	errno  syscall.Errno
}

// segmentSize is the control message of UDP_SEGMENT.
type segmentSize struct {
	header unix.Cmsghdr
	size   uint16
	_      [6]byte
}

func newWriter(s *conn) (*writer, error) {
	f, err := s.File() // a duplicate
	if err != nil {
		return nil, err
	}
	c, err := net.FilePacketConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	w := &writer{socket: socket{c.(*net.UDPConn)}, gso: &s.gso, v6: s.LocalAddr().Addr().Is6()}
	if w.raw, err = w.SyscallConn(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	w.write = w.transmit
	err = w.raw.Control(func(fd uintptr) {
		// An older kernel would ignore the control message, and send a run as it is.
		if _, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT); err != nil {
			w.gso.refused.Store(true)
		}
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	for i := range w.sizes {
		h := &w.sizes[i].header
		h.Level, h.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		h.SetLen(unix.CmsgLen(2))
	}
	return w, nil
}

// WriteRuns implements Writer.
func (w *writer) WriteRuns(runs []Run) (refused int, first error) {
	fail := func(n int, err error) {
		refused += n
		if first == nil {
			first = err
		}
	}
	for len(runs) > 0 {
		if w.gso.refused.Load() {
			n, err := plainWriter{w.WriteTo}.WriteRuns(runs)
			if n > 0 {
				fail(n, err)
			}
			return refused, first
		}
		w.prepare(runs[:min(len(runs), maxRuns)])
		if err := w.raw.Write(w.write); err != nil { // the socket is closed
			fail(len(runs), err)
			return refused, first
		}
		runs = runs[w.sent:]
		if w.errno == 0 || len(runs) == 0 {
			continue
		}
		// It was the first of the rest that failed.
		r := runs[:1]
		if len(r[0].Data) > r[0].Segment && w.unsegmented() {
			n, err := plainWriter{w.WriteTo}.WriteRuns(r)
			if n > 0 {
				fail(n, err)
			}
		} else {
			fail((len(r[0].Data)+r[0].Segment-1)/r[0].Segment, w.errno)
		}
		runs = runs[1:]
	}
	return refused, first
}

// unsegmented reports whether a run may have been refused for being one. Where that
// is the path's doing, and not the system's, others are still tried: no viewer may
// turn it off for all.
func (w *writer) unsegmented() bool {
	switch w.errno {
	case unix.EIO, unix.ENOPROTOOPT, unix.EOPNOTSUPP: // no checksums, or no such thing
		w.gso.refused.Store(true)
		return true
	case unix.EINVAL, unix.EMSGSIZE: // this path carries no segments of this length
		return true
	}
	return false
}

func (w *writer) prepare(runs []Run) {
	w.runs, w.sent, w.errno = runs, 0, 0
	for i := range runs {
		r := &runs[i]
		w.iovs[i].Base = &r.Data[0]
		w.iovs[i].SetLen(len(r.Data))
		h := &w.msgs[i].hdr
		h.Iov = &w.iovs[i]
		h.SetIovlen(1)
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&w.names[i])), putAddress(&w.names[i], r.To, w.v6)
		h.Control = nil
		h.SetControllen(0)
		if len(r.Data) > r.Segment {
			w.sizes[i].size = uint16(r.Segment)
			h.Control = (*byte)(unsafe.Pointer(&w.sizes[i]))
			h.SetControllen(int(unsafe.Sizeof(w.sizes[i])))
		}
	}
}

// transmit is called by the runtime when the socket may be writable; false asks it
// to wait. The system call is raw: it never waits, and takes too long for the
// scheduler not to give its processor away meanwhile, which costs a fifth of it all.
func (w *writer) transmit(fd uintptr) bool {
	for w.sent < len(w.runs) {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.msgs[w.sent])),
			uintptr(len(w.runs)-w.sent), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			w.sent += int(n)
		case unix.EINTR, unix.ECONNREFUSED: // the latter: an earlier datagram found nobody
		case unix.EAGAIN:
			return false
		default:
			w.errno = errno
			return true
		}
	}
	return true
}

// putAddress writes a socket address for a socket of one of the two families and
// returns its length.
func putAddress(name *unix.RawSockaddrInet6, to netip.AddrPort, v6 bool) uint32 {
	var port [2]byte
	binary.BigEndian.PutUint16(port[:], to.Port())
	if v6 {
		*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: binary.NativeEndian.Uint16(port[:]), Addr: to.Addr().As16()}
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
	*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: binary.NativeEndian.Uint16(port[:])}
	if to.Addr().Is4() || to.Addr().Is4In6() {
		v4.Addr = to.Addr().As4()
	}
	return unix.SizeofSockaddrInet4
}
