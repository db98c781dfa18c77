//go:build linux

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Sink is a viewer's socket on loopback.
type Sink struct {
	*net.UDPConn
	raw syscall.RawConn
}

// OpenSink opens a socket; if drop, the kernel drops RTP on it and counts it, but for
// the share miss of the packets of video, which can be read.
func OpenSink(drop bool, miss float64) (*Sink, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("load: viewer's socket: %w", err)
	}
	s := &Sink{UDPConn: conn}
	if s.raw, err = conn.SyscallConn(); err == nil {
		if drop {
			err = s.filter(miss)
		} else {
			err = s.keep()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load: viewer's socket: %w", err), conn.Close())
	}
	return s, nil
}

func (s *Sink) filter(miss float64) error {
	program, err := bpf.Assemble(dropRTP(miss))
	if err != nil {
		return err
	}
	return ipv4.NewPacketConn(s.UDPConn).SetBPF(program)
}

// keepBuffer is asked of the kernel for a socket that reads everything, in bytes:
// some seconds of one stream, because the reader shares the processors with what
// is measured.
const keepBuffer = 4 << 20

// keep prepares the socket to read everything, with the times at which it came.
func (s *Sink) keep() error {
	var optErr error
	err := s.raw.Control(func(fd uintptr) {
		optErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	return errors.Join(err, optErr, s.SetReadBuffer(keepBuffer))
}

// Port returns the UDP port.
func (s *Sink) Port() int { return s.LocalAddr().(*net.UDPAddr).Port }

// memInfo is what getsockopt(SO_MEMINFO) answers: 32-bit numbers, of which the
// last (SK_MEMINFO_DROPS) counts what the socket dropped.
type memInfo [9]uint32

// Dropped returns how many datagrams the kernel dropped on this socket, by the
// filter or for want of room. It wraps at 2^32.
func (s *Sink) Dropped() (uint32, error) {
	var info memInfo
	size := uint32(unsafe.Sizeof(info))
	var errno syscall.Errno
	err := s.raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err == nil && errno != 0 {
		err = errno
	}
	if err != nil {
		return 0, fmt.Errorf("load: drops of a viewer's socket: %w", err)
	}
	return info[len(info)-1], nil
}

// kernelTime returns the time in a control message of SO_TIMESTAMPNS, as Unix
// nanoseconds.
func kernelTime(control []byte) (int64, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			return int64(binary.NativeEndian.Uint64(m.Data))*1e9 + int64(binary.NativeEndian.Uint64(m.Data[8:])), true
		}
	}
	return 0, false
}
