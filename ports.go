package relay

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"syscall"

	"github.com/framelock/relay/media/egress"
	"github.com/framelock/relay/media/forward"
	"github.com/framelock/relay/media/ingest"
	"github.com/framelock/relay/media/packet"
	"github.com/framelock/relay/media/udp"
)

// ports is every socket of a running relay.
type ports struct {
	http, admin net.Listener // nil if not wanted
	media       udp.Conn
	endpoint    *egress.Endpoint // owns media
	rtp         map[string]*inlets
}

// inlets are where the media of one stream comes in; nil where nothing does.
type inlets [forward.Encoders][forward.Tracks][forward.Paths]*ingest.Listener

// all returns each that there is, with where it is.
func (in *inlets) all() iter.Seq2[forward.Origin, *ingest.Listener] {
	return func(yield func(forward.Origin, *ingest.Listener) bool) {
		for e := range in {
			for t := range in[e] {
				for p, l := range in[e][t] {
					if l != nil && !yield(forward.Origin{Encoder: forward.Encoder(e), Path: forward.Path(p)}, l) {
						return
					}
				}
			}
		}
	}
}

// packetsKept is how many free packets a stream keeps for reuse.
const packetsKept = 4096

// open opens every socket, so that an address that cannot be had is found out
// before anything works.
func (r *Relay) open() error {
	p := &r.ports
	p.rtp = map[string]*inlets{}
	r.addrs = Addrs{Streams: map[string]StreamAddrs{}}
	var err error
	if p.http, err = listenTCP("http.listen", r.cfg.HTTP.Listen); err != nil {
		return err
	}
	if p.admin, err = listenTCP("admin.listen", r.cfg.Admin.Listen); err != nil {
		return err
	}
	if err := r.openMedia(); err != nil {
		return err
	}
	for _, name := range r.names {
		if err := r.openStream(r.streams[name]); err != nil {
			return err
		}
	}
	r.addrs.HTTP, r.addrs.Admin, r.addrs.UDP = address(p.http), address(p.admin), p.media.LocalAddr().String()
	return nil
}

func listenTCP(key, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	return l, taken(key, address, err)
}

func (r *Relay) openMedia() error {
	listen := r.cfg.Media.UDP
	conn, err := r.listenMedia(listen)
	if err != nil {
		return taken("media.udp", listen, err)
	}
	r.ports.media = conn
	addresses, err := announced(conn.LocalAddr(), r.cfg.Media)
	if err != nil {
		return err
	}
	r.ports.endpoint, err = egress.NewEndpoint(egress.EndpointConfig{
		Conn: conn, Addresses: addresses, Now: r.now, Drops: r.metrics, Logger: r.log,
	})
	return err
}

// announced returns where viewers reach the media port: the public addresses if
// there are any, or else the one that the port is on, or else the machine's own.
func announced(port netip.AddrPort, c MediaConfig) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	add := func(a netip.Addr) { all = append(all, netip.AddrPortFrom(a.Unmap(), port.Port())) }
	switch {
	case len(c.PublicIPs) > 0:
		for _, a := range c.PublicIPs {
			add(a)
		}
	case !port.Addr().IsUnspecified():
		add(port.Addr())
	default:
		own, err := net.InterfaceAddrs()
		if err != nil {
			return nil, err
		}
		for _, a := range own {
			p, err := netip.ParsePrefix(a.String())
			if ip := p.Addr().Unmap(); err == nil && !ip.IsLinkLocalUnicast() && !ip.IsLoopback() && (ip.Is4() || port.Addr().Is6()) {
				add(ip)
			}
		}
	}
	if c.IncludeLoopback && port.Addr().IsUnspecified() {
		add(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return all, nil
}

func (r *Relay) openStream(s *Stream) error {
	s.pool = packet.NewPool(packetsKept)
	in := &inlets{}
	r.ports.rtp[s.name] = in
	for e, tracks := range s.cfg.tracks {
		for t, track := range tracks {
			for p, listen := range track.listen {
				if listen == "" {
					continue
				}
				l, err := r.listenRTP(forward.Track(t), listen, track.mux, s.pool, r.now)
				if err != nil {
					return taken(inletKey(s.name, e, t, p), listen, err)
				}
				in[e][t][p] = l
			}
		}
	}
	r.addrs.Streams[s.name] = StreamAddrs{in.addrs(forward.Primary), in.addrs(forward.Backup)}
	return nil
}

// inletKey is the key of the setting that says where a track comes in.
func inletKey(stream string, encoder, track, path int) string {
	key := "streams." + stream + [forward.Encoders]string{".rtp.", ".backup.rtp."}[encoder]
	name := [forward.Tracks]string{"video", "audio"}[track]
	if path > 0 {
		return key + "second_path." + name + "_listen"
	}
	return key + name + ".listen"
}

func (in *inlets) addrs(e forward.Encoder) InputAddrs {
	video, audio := &in[e][forward.Video], &in[e][forward.Audio]
	return InputAddrs{
		Video: rtpAddress(video[0]), Audio: rtpAddress(audio[0]),
		SecondVideo: rtpAddress(video[1]), SecondAudio: rtpAddress(audio[1]),
	}
}

// dropped returns how many datagrams on a track's ports were not RTP or RTCP, and
// how many were too large.
func (r *Relay) dropped(stream, track string) (malformed, oversize uint64) {
	for _, l := range r.ports.rtp[stream].all() {
		if l.Track().String() == track {
			m, o := l.Dropped()
			malformed, oversize = malformed+m, oversize+o
		}
	}
	return malformed, oversize
}

func rtpAddress(l *ingest.Listener) string {
	if l == nil {
		return ""
	}
	return l.Address().String()
}

func address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// taken says which setting to change when an address cannot be had.
func taken(key, address string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use, by another program or for another track; stop what uses it, or set %s to another port (0 takes a free one): %w",
			key, address, key, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s may not be opened by this user; set %s to a port above 1023: %w", key, address, key, err)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// close closes what open opened. Closing twice is harmless.
func (p *ports) close() error {
	var errs []error
	for _, l := range []net.Listener{p.http, p.admin} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	switch {
	case p.endpoint != nil: // owns the media socket
		errs = append(errs, p.endpoint.Close())
	case p.media != nil:
		errs = append(errs, p.media.Close())
	}
	for _, in := range p.rtp {
		for _, l := range in.all() {
			l.Close()
		}
	}
	for i, err := range errs {
		if errors.Is(err, net.ErrClosed) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}
