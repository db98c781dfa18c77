package relay

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/framelock/relay/sync/transcript"
)

// streamName is what a stream's name must look like.
var streamName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

const streamNameAllowed = `1 to 63 of a-z, 0-9, ".", "_" and "-", beginning with a letter or digit`

// Validate returns everything that is wrong with the configuration, as a
// [ConfigError], or nil. It looks at the files that the configuration names, but
// opens no socket.
func (c *Config) Validate() error {
	v := validator{origins: c.origins, udp: map[netip.AddrPort]string{}}
	v.http(c)
	v.media(&c.Media)
	v.admin(c)
	v.auth(&c.Auth)
	v.state(&c.State)
	v.transcript(&c.Transcript)
	inRange(&v, "drain.grace", c.Drain.Grace, 0, 5*time.Minute)
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s := c.Streams[name]
		v.stream("streams."+name, name, &s)
	}
	return v.errs.orNil()
}

// validator gathers what is wrong.
type validator struct {
	origins map[string]string
	udp     map[netip.AddrPort]string // what each fixed UDP address is for
	errs    ConfigError
}

// fail reports a key. Where no value was given, its nearest parent's place is named.
func (v *validator) fail(key string, value any, problem, allowed string) {
	where := ""
	for k := key; where == ""; {
		where = v.origins[k]
		cut := strings.LastIndexAny(k, ".[")
		if cut < 0 {
			break
		}
		k = k[:cut]
	}
	v.errs = append(v.errs, FieldError{Where: where, Key: key, Value: fmt.Sprint(value), Problem: problem, Allowed: allowed})
}

func (v *validator) http(c *Config) {
	h := &c.HTTP
	if h.Listen != "" && v.listenAddress("http.listen", h.Listen) {
		if !isLoopback(h.Listen) && !c.Auth.Insecure && len(c.Auth.Tokens) == 0 {
			v.fail("http.listen", h.Listen, "can be reached from other machines, and nobody would be asked for a token",
				"a loopback address such as 127.0.0.1:8080, or any address with auth.tokens or auth.insecure: true")
		}
	}
	switch h.TLS.Mode {
	case TLSOff, TLSSelfSigned:
		if h.TLS.CertFile != "" {
			v.fail("http.tls.cert_file", h.TLS.CertFile, `is not read unless http.tls.mode is "files"`, "")
		}
		if h.TLS.KeyFile != "" {
			v.fail("http.tls.key_file", h.TLS.KeyFile, `is not read unless http.tls.mode is "files"`, "")
		}
	case TLSFiles:
		v.file("http.tls.cert_file", h.TLS.CertFile, false)
		v.file("http.tls.key_file", h.TLS.KeyFile, true)
	default:
		v.fail("http.tls.mode", h.TLS.Mode, "is no TLS mode", `"", files, self-signed`)
	}
	for i, origin := range h.Origins {
		u, err := url.Parse(origin)
		plain := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Scheme+"://"+u.Host == origin
		if origin != "*" && !plain {
			v.fail(fmt.Sprintf("http.origins[%d]", i), origin, "is not a web origin", `"*", or scheme and host as in https://casino.example, with no path`)
		}
	}
}

func (v *validator) media(m *MediaConfig) {
	v.udpAddress("media.udp", m.UDP)
	for i, ip := range m.PublicIPs {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			v.fail(fmt.Sprintf("media.public_ips[%d]", i), ip, "cannot be offered to viewers", "a unicast IP address")
		}
	}
	inRange(v, "media.max_udp_payload", m.MaxUDPPayload, 600, 1452)
	inRange(v, "media.gather", m.Gather, 0, 5*time.Millisecond)
	const step, longest = 10 * time.Millisecond, 40950 * time.Millisecond
	inRange(v, "media.playout_delay.min", m.PlayoutDelay.Min, 0, longest)
	inRange(v, "media.playout_delay.max", m.PlayoutDelay.Max, 0, longest)
	if m.PlayoutDelay.Min%step != 0 {
		v.fail("media.playout_delay.min", m.PlayoutDelay.Min, "is not a whole number of steps", "steps of 10ms")
	}
	if m.PlayoutDelay.Max%step != 0 {
		v.fail("media.playout_delay.max", m.PlayoutDelay.Max, "is not a whole number of steps", "steps of 10ms")
	}
	if m.PlayoutDelay.Min > m.PlayoutDelay.Max {
		v.fail("media.playout_delay.max", m.PlayoutDelay.Max, "is less than media.playout_delay.min", "at least "+m.PlayoutDelay.Min.String())
	}
}

func (v *validator) admin(c *Config) {
	listen := c.Admin.Listen
	if listen == "" || !v.listenAddress("admin.listen", listen) {
		return
	}
	admins := slices.ContainsFunc(c.Auth.Tokens, func(t TokenConfig) bool { return slices.Contains(t.Scopes, "admin") })
	if !isLoopback(listen) && !c.Auth.Insecure && !admins {
		v.fail("admin.listen", listen, "can be reached from other machines, and nobody would be asked for a token",
			"a loopback address such as 127.0.0.1:9090, or any address with a token of scope admin or auth.insecure: true")
	}
	if _, port, _ := net.SplitHostPort(listen); port != "0" && listen == c.HTTP.Listen {
		v.fail("admin.listen", listen, "is http.listen too", "an address of its own")
	}
}

func (v *validator) auth(a *AuthConfig) {
	for i, t := range a.Tokens {
		key := fmt.Sprintf("auth.tokens[%d]", i)
		v.file(key+".file", t.File, true)
		if len(t.Name) > 64 {
			v.fail(key+".name", t.Name, "is too long", "up to 64 bytes")
		}
		if len(t.Scopes) == 0 {
			v.fail(key+".scopes", "", "is missing", strings.Join(Scopes(), ", "))
		}
		for j, s := range t.Scopes {
			if !slices.Contains(Scopes(), s) {
				v.fail(fmt.Sprintf("%s.scopes[%d]", key, j), s, "is no scope", strings.Join(Scopes(), ", "))
			}
		}
		for j, pattern := range t.Streams {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				v.fail(fmt.Sprintf("%s.streams[%d]", key, j), pattern, "is not a pattern", `stream names, or patterns such as "roulette-*"`)
			}
		}
	}
}

func (v *validator) state(s *StateConfig) {
	if s.KeepData != 0 {
		inRange(v, "state.keep_data", s.KeepData, time.Hour, 10*366*24*time.Hour)
	}
	if u := s.Journal.URL; u != "" {
		for server := range strings.SplitSeq(u, ",") {
			if p, err := url.Parse(strings.TrimSpace(server)); err != nil || p.Scheme != "nats" && p.Scheme != "tls" || p.Host == "" {
				v.fail("state.journal.url", u, "is not a list of NATS servers", "nats://HOST:PORT or tls://HOST:PORT, with commas between them")
				break
			}
		}
	}
	if f := s.Journal.CredentialsFile; f != "" {
		if _, err := os.Stat(f); err != nil {
			v.fail("state.journal.credentials_file", f, "cannot be read", "a NATS credentials file")
		}
	}
	inRange(v, "state.journal.replicas", s.Journal.Replicas, 0, 5)
	v.directory("state.dir", s.Dir)
}

// directory reports what cannot be a directory of the relay's own. None is fine.
func (v *validator) directory(key, name string) {
	if info, err := os.Stat(name); name != "" && err == nil && !info.IsDir() {
		v.fail(key, name, "is a file", "a directory, which is made if it is not there")
	}
}

func (v *validator) transcript(t *TranscriptConfig) {
	if transcript.ValidOrigin(t.Origin) != nil || len(t.Origin) > 200 {
		v.fail("transcript.origin", t.Origin, "cannot name a log", "1 to 200 characters without spaces and +, such as relay.example.com")
	}
	if f := t.KeyFile; f != "" {
		if b, err := os.ReadFile(f); err == nil && !strings.HasPrefix(string(b), "PRIVATE+KEY+") {
			v.fail("transcript.key_file", f, "holds no note signing key", "a file that the relay made, or one that is not there")
		}
	}
	if f := t.PreviousKeyFile; f != "" {
		if b, err := os.ReadFile(f); err != nil || !strings.HasPrefix(string(b), "PRIVATE+KEY+") {
			v.fail("transcript.previous_key_file", f, "holds no note signing key", "the file that was transcript.key_file before")
		}
	}
	for i, u := range t.Witness.URLs {
		if p, err := url.Parse(u); err != nil || p.Scheme != "https" && p.Scheme != "http" || p.Host == "" || p.User != nil {
			v.fail(fmt.Sprintf("transcript.witness.urls[%d]", i), u, "is not an address", "https://HOST/PATH or http://HOST/PATH, without a password")
		}
	}
	if f := t.Witness.File; f != "" {
		if info, err := os.Stat(filepath.Dir(f)); err != nil || !info.IsDir() {
			v.fail("transcript.witness.file", f, "is in no directory", "a file in a directory that is there")
		}
	}
}

func (v *validator) stream(key, name string, s *StreamConfig) {
	if !streamName.MatchString(name) {
		v.fail(key, name, "is not a stream's name", streamNameAllowed)
	}
	v.rtp(key+".rtp", &s.RTP)
	if b := s.Backup; b != nil {
		v.rtp(key+".backup.rtp", &b.RTP)
		inRange(v, key+".backup.switch_after", b.SwitchAfter, 100*time.Millisecond, 5*time.Second)
		inRange(v, key+".backup.return_after", b.ReturnAfter, 0, time.Hour)
	}
	inRange(v, key+".hold", s.Hold, 0, 2*time.Second)
	inRange(v, key+".capture_offset", s.CaptureOffset, -2*time.Second, 2*time.Second)
	inRange(v, key+".history", s.History, time.Second, 30*time.Second)
	inRange(v, key+".state_limit", s.StateLimit, 1<<10, 1<<20)
	inRange(v, key+".record.max_age", s.Record.MaxAge, time.Minute, 365*24*time.Hour)
	inRange(v, key+".record.max_size", s.Record.MaxSize, 16<<20, 16<<40)
	v.directory(key+".record.dir", s.Record.Dir)
}

func (v *validator) rtp(key string, r *RTPConfig) {
	switch {
	case r.SDP != "" && (r.Video != nil || r.Audio != nil):
		v.fail(key+".sdp", r.SDP, "describes the media that "+key+".video or .audio describe too", "one of the two")
	case r.SDP != "":
		v.sdp(key+".sdp", r)
	case r.Video == nil:
		v.fail(key, "", "has no video", "sdp: FILE, or video: {codec: h264, listen: 127.0.0.1:5004}")
	}
	if t := r.Video; t != nil {
		if t.Codec != "h264" && t.Codec != "vp8" {
			v.fail(key+".video.codec", t.Codec, "is no video codec that the relay forwards", "h264, vp8")
		}
		v.rtpAddress(key+".video.listen", t.Listen)
		inRange(v, key+".video.payload_type", t.PayloadType, 0, 127)
		if strings.ContainsAny(t.Fmtp, "\r\n") {
			v.fail(key+".video.fmtp", t.Fmtp, "is more than one line", "name=value;name=value")
		}
	}
	if t := r.Audio; t != nil {
		if t.Codec != "opus" {
			v.fail(key+".audio.codec", t.Codec, "is no audio codec that the relay forwards", "opus")
		}
		v.rtpAddress(key+".audio.listen", t.Listen)
		inRange(v, key+".audio.payload_type", t.PayloadType, 0, 127)
	}
	for i, p := range r.Allow {
		if !p.IsValid() {
			v.fail(fmt.Sprintf("%s.allow[%d]", key, i), p, "is not a network", "192.0.2.0/24")
		}
	}
	if p := r.SecondPath; p != nil {
		v.secondPath(key+".second_path", p)
	}
	inRange(v, key+".silence", r.Silence, 500*time.Millisecond, time.Minute)
	inRange(v, key+".reorder", r.Reorder, 0, 200*time.Millisecond)
}

func (v *validator) secondPath(key string, p *SecondPathConfig) {
	v.udpAddress(key+".video_listen", p.VideoListen)
	if p.AudioListen != "" {
		v.udpAddress(key+".audio_listen", p.AudioListen)
	}
	for i, network := range p.Allow {
		if !network.IsValid() {
			v.fail(fmt.Sprintf("%s.allow[%d]", key, i), network, "is not a network", "192.0.2.0/24")
		}
	}
	inRange(v, key+".skew", p.Skew, 0, 200*time.Millisecond)
}

// inRange reports a value outside of low to high.
func inRange[T int | int64 | uint8 | time.Duration](v *validator, key string, value, low, high T) {
	if value < low || value > high {
		v.fail(key, value, "is out of range", fmt.Sprintf("%v to %v", low, high))
	}
}

// listenAddress reports an address that is not host:port.
func (v *validator) listenAddress(key, address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		v.fail(key, address, "is not an address", "host:port, as in 127.0.0.1:8080 or :8080")
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		v.fail(key, address, "has no valid port", "0 to 65535; 0 takes a free port")
		return false
	}
	return true
}

// udpAddress reports an address that is not IP:port, or that is taken already.
func (v *validator) udpAddress(key, address string) {
	if at, ok := v.ipPort(key, address); ok {
		v.claim(key, address, key, at)
	}
}

// rtpAddress is udpAddress of a track whose RTCP comes on the next port.
func (v *validator) rtpAddress(key, address string) {
	at, ok := v.ipPort(key, address)
	switch {
	case !ok:
	case at.Port() == 65535:
		v.fail(key, address, "leaves no port for RTCP, which comes on the next one", "a port up to 65534, or 0")
	case v.claim(key, address, key, at) && at.Port() > 0:
		v.claim(key, address+" and the next port, for RTCP,", "the RTCP of "+key, netip.AddrPortFrom(at.Addr(), at.Port()+1))
	}
}

// sdp reports a description that cannot be read, and what it says of ports that are
// taken. Whether the rest of it can be used is found out when it is.
func (v *validator) sdp(key string, r *RTPConfig) {
	v.file(key, r.SDP, false)
	d, err := r.describe()
	if err != nil {
		return
	}
	for _, t := range []*described{d.Video, d.Audio} {
		switch {
		case t == nil:
		case t.mux:
			v.udpAddress(key, t.listen)
		default:
			v.rtpAddress(key, t.listen)
		}
	}
}

// ipPort reads an IP:port, in which the IP may be missing or localhost.
func (v *validator) ipPort(key, address string) (netip.AddrPort, bool) {
	if !v.listenAddress(key, address) {
		return netip.AddrPort{}, false
	}
	host, port, _ := net.SplitHostPort(address)
	ip := netip.IPv4Unspecified()
	switch host {
	case "":
	case "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		parsed, err := netip.ParseAddr(host)
		if err != nil {
			v.fail(key, address, "does not begin with an IP address", "IP:port, as in 127.0.0.1:5004 or :5004")
			return netip.AddrPort{}, false
		}
		ip = parsed.Unmap()
	}
	n, _ := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(ip, uint16(n)), true
}

// claim takes an address for name, or reports who has it already. Port 0 is for
// everybody.
func (v *validator) claim(key, value, name string, at netip.AddrPort) bool {
	if at.Port() == 0 {
		return true
	}
	for taken, by := range v.udp {
		overlaps := taken.Addr() == at.Addr() || taken.Addr().IsUnspecified() || at.Addr().IsUnspecified()
		if taken.Port() == at.Port() && overlaps {
			v.fail(key, value, "is taken by "+by, "a UDP address of its own")
			return false
		}
	}
	v.udp[at] = name
	return true
}

// file reports a file that is missing or, if it holds a secret, can be read by
// others than its owner.
func (v *validator) file(key, name string, secret bool) {
	if name == "" {
		v.fail(key, "", "is missing", "the name of a file")
		return
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		v.fail(key, name, "cannot be read: "+reason(err), "the name of a file")
	case info.IsDir():
		v.fail(key, name, "is a directory", "the name of a file")
	case secret && info.Mode().Perm()&0o077 != 0:
		v.fail(key, name, fmt.Sprintf("can be read by others (mode %04o)", info.Mode().Perm()), "mode 0600: chmod 600 "+name)
	}
}

// isLoopback reports whether only this machine can reach the address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
