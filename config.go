package relay

import (
	"crypto"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says everything a relay needs to know. Its YAML keys are those of the
// configuration file; an embedder fills it in directly, starting from
// [DefaultConfig] and [DefaultStream], because a zero is a value like any other
// and not "the default".
//
// [LoadConfig] reads it from a file and the environment, [Config.Set] changes one
// key by name, and [Config.Validate] reports everything that is wrong with it.
type Config struct {
	HTTP       HTTPConfig              `yaml:"http"`
	Media      MediaConfig             `yaml:"media"`
	Admin      AdminConfig             `yaml:"admin"`
	Auth       AuthConfig              `yaml:"auth"`
	State      StateConfig             `yaml:"state"`
	Transcript TranscriptConfig        `yaml:"transcript"`
	Drain      DrainConfig             `yaml:"drain"`
	Streams    map[string]StreamConfig `yaml:"streams"` // by stream name: [a-z0-9][a-z0-9._-]{0,62}

	// Logger receives the relay's log; nil discards it.
	Logger *slog.Logger `yaml:"-"`
	// Registerer receives the relay's metrics; nil means a registry of its own,
	// which the admin listener serves either way.
	Registerer prometheus.Registerer `yaml:"-"`
	// Clock is read in place of time.Now if it is set.
	Clock func() time.Time `yaml:"-"`
	// Wrap, if set, is applied once to the viewer-facing handler, so that an
	// embedder can add routes or middleware of its own.
	Wrap func(http.Handler) http.Handler `yaml:"-"`

	// origins says where a key's value came from ("relay.yaml:12", "RELAY_HTTP__LISTEN",
	// "--http"), by key path, for error messages.
	origins map[string]string
}

// HTTPConfig is the viewer-facing listener: WHEP, the API, the player page.
type HTTPConfig struct {
	// Listen is a TCP address, host:port. An empty host means every interface,
	// port 0 a free port. Empty means no listener: the embedder serves
	// Relay.Handler itself. A listener off loopback needs tokens or auth.insecure.
	Listen string    `yaml:"listen"`
	TLS    TLSConfig `yaml:"tls"`
	// Origins are the web origins that may call the API from a browser
	// ("https://casino.example"), or "*" for any. The relay's own pages always may.
	Origins []string `yaml:"origins"`
}

// TLSMode says where the viewer-facing listener's certificate comes from.
type TLSMode string

// The TLS modes.
const (
	TLSOff        TLSMode = ""            // plain HTTP
	TLSFiles      TLSMode = "files"       // cert_file and key_file, read again when they change
	TLSSelfSigned TLSMode = "self-signed" // made at start, for development on a local network
)

// TLSConfig is the encryption of the viewer-facing listener.
type TLSConfig struct {
	Mode     TLSMode `yaml:"mode"`
	CertFile string  `yaml:"cert_file"` // PEM certificate chain, with mode files
	KeyFile  string  `yaml:"key_file"`  // PEM private key, readable by its owner alone
}

// MediaConfig is what all streams share on the wire.
type MediaConfig struct {
	// UDP is the one UDP address for all viewers' media, host:port; port 0 takes a free port.
	UDP string `yaml:"udp"`
	// PublicIPs are offered to viewers in place of the machine's own addresses,
	// for a relay behind a 1:1 NAT.
	PublicIPs []netip.Addr `yaml:"public_ips"`
	// MaxUDPPayload is the largest UDP payload sent to a viewer, in bytes, 600 to
	// 1452. A marker rides on a packet only where it still fits.
	MaxUDPPayload int `yaml:"max_udp_payload"`
	// PlayoutDelay is the delay that viewers are asked to keep between receiving a
	// frame and showing it.
	PlayoutDelay PlayoutDelay `yaml:"playout_delay"`
	// Gather is how long the first packet of a frame waits at most for the last, so
	// that viewers are sent the whole frame at once, 0 to 5 ms. Only packets that
	// come close together wait.
	Gather time.Duration `yaml:"gather"`
	// IncludeLoopback offers 127.0.0.1 to viewers too, for viewers on the same machine.
	IncludeLoopback bool `yaml:"include_loopback"`
	// JoinBurst sends a joining viewer everything since the newest keyframe at
	// once. Off, the viewer waits for the next keyframe, as with other relays.
	JoinBurst bool `yaml:"join_burst"`
}

// PlayoutDelay is the range of the playout-delay header extension, 0 to 40.95 s
// in steps of 10 ms. Zero to zero asks for a frame as soon as it is decoded.
type PlayoutDelay struct {
	Min time.Duration `yaml:"min"`
	Max time.Duration `yaml:"max"`
}

// AdminConfig is the operators' listener: /metrics, /healthz, /readyz, /debug/pprof/.
type AdminConfig struct {
	Listen string `yaml:"listen"` // host:port; empty turns it off
}

// AuthConfig says who may do what.
type AuthConfig struct {
	// Insecure allows a listener that is reachable from other machines and asks
	// nobody for a token. For a trusted network only.
	Insecure bool          `yaml:"insecure"`
	Tokens   []TokenConfig `yaml:"tokens"`
}

// TokenConfig is one bearer token and what it may do.
type TokenConfig struct {
	// Name is what the log of a stream says published an event; empty means the
	// file's name without its extension.
	Name string `yaml:"name"`
	// File holds the token, as `relay token create` writes it; it must be
	// readable by its owner alone.
	File string `yaml:"file"`
	// Scopes are what the token may do; see Scopes.
	Scopes []string `yaml:"scopes"`
	// Streams are the streams it may do it to, as names or path.Match patterns
	// ("roulette-*"); empty means all.
	Streams []string `yaml:"streams"`
	// Shared says that many viewers have this token: each is told apart by the key
	// that its client makes up. Otherwise whoever has the token is one viewer.
	Shared bool `yaml:"shared"`
}

// Scopes returns the scopes that a token can have: view (play a stream), mark
// (publish events), act (take part in windows), publish (send media), read (the
// API's read calls) and admin.
func Scopes() []string { return []string{"view", "mark", "act", "publish", "read", "admin"} }

// StateConfig is where the relay remembers each stream's log position.
type StateConfig struct {
	// Dir is a directory of the relay's own. Empty keeps everything in memory: a
	// restart then begins new logs.
	Dir string `yaml:"dir"`
	// KeepData is how long the data of viewers' actions is kept, 1 h to 10 years; 0 keeps
	// it until it is erased one by one. Verdicts and the log are kept for ever.
	KeepData time.Duration `yaml:"keep_data"`
	// Journal is where everything that streams decide is kept. By default that is in
	// Dir.
	Journal JournalConfig `yaml:"journal"`
}

// JournalConfig is a NATS cluster in which other relays find the journals too, so
// that they can take streams over.
type JournalConfig struct {
	URL             string `yaml:"url"`              // nats:// or tls:// addresses, with commas between them; empty keeps journals in state.dir
	CredentialsFile string `yaml:"credentials_file"` // of a NATS user
	Replicas        int    `yaml:"replicas"`         // copies, on different servers: 1 to 5; 0 means 3
}

// TranscriptConfig is how the streams' logs are signed, which takes state.dir.
type TranscriptConfig struct {
	// Origin is the name under which logs are signed, such as the host that serves
	// them: 1 to 200 characters without spaces and plus signs.
	Origin string `yaml:"origin"`
	// KeyFile holds the Ed25519 key, readable by its owner alone; it is made if it is
	// not there. Empty means transcript.key in state.dir.
	KeyFile string `yaml:"key_file"`
	// PreviousKeyFile holds the key before, while it hands over to that of KeyFile; it is
	// needed until the relay says that the new key signs.
	PreviousKeyFile string `yaml:"previous_key_file"`
	// Witness is who else is told of every checkpoint, so that not even the holder of
	// the key can rewrite what was shown.
	Witness WitnessConfig `yaml:"witness"`
	// Key signs in place of the file's, for an embedder whose key is kept elsewhere.
	Key crypto.Signer `yaml:"-"`
	// PreviousKey stands for PreviousKeyFile in the same way.
	PreviousKey crypto.Signer `yaml:"-"`
}

// WitnessConfig names witnesses.
type WitnessConfig struct {
	URLs []string `yaml:"urls"` // get each checkpoint by POST
	File string   `yaml:"file"` // gets each as a line
}

// DrainConfig is how a relay that is told to stop takes leave of its viewers.
type DrainConfig struct {
	// Grace is how long their sessions go on at most, after they were told, while they
	// look for another relay; the relay stops sooner if all have left. New ones are
	// refused meanwhile. 0 to 5 min; 0 ends sessions at once, and not everybody hears why.
	Grace time.Duration `yaml:"grace"`
}

// StreamConfig is one stream: a table, with its camera and microphone.
type StreamConfig struct {
	RTP RTPConfig `yaml:"rtp"` // the encoder, or the primary of two
	// Backup is a second encoder of the same table, which takes over when the
	// primary is lost; nil if there is none.
	Backup *BackupConfig `yaml:"backup"`
	// Hold delays every frame by this much on its way out, for all viewers alike,
	// so that a slow detector can still mark a frame before anyone sees it. 0 to 2 s.
	Hold time.Duration `yaml:"hold"`
	// CaptureOffset is subtracted from the capture time that the encoder states,
	// because encoders stamp later than the shutter. -2 s to 2 s.
	CaptureOffset time.Duration `yaml:"capture_offset"`
	// History is how long a frame that has left can still be marked or resent. 1 to 30 s.
	History time.Duration `yaml:"history"`
	// StateLimit is the largest state document, in bytes of JSON, 1 KiB to 1 MiB.
	StateLimit int `yaml:"state_limit"`
	// Record keeps what viewers are sent, as evidence.
	Record RecordConfig `yaml:"record"`
}

// RecordConfig says where a stream is recorded, bit for bit, and for how long. Both
// limits hold: whichever is reached first.
type RecordConfig struct {
	// Dir is a directory, in which each stream has one of its own. Empty records
	// nothing.
	Dir string `yaml:"dir"`
	// MaxAge is how long a segment of the recording is kept, 1 minute to 1 year.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxSize is how many bytes of the stream are kept, 16 MiB to 16 TiB.
	MaxSize int64 `yaml:"max_size"`
}

// BackupConfig is the second encoder of a stream: it sends the same tracks, in the
// same codecs, to ports of its own.
type BackupConfig struct {
	RTP RTPConfig `yaml:"rtp"`
	// SwitchAfter is how long no video may come from the encoder that is on, until
	// the other one takes over at its next keyframe. 100 ms to 5 s.
	SwitchAfter time.Duration `yaml:"switch_after"`
	// ReturnAfter is how long a primary that was lost must have been back until it
	// takes over again; 0 leaves that to the operator. Up to 1 h.
	ReturnAfter time.Duration `yaml:"return_after"`
}

// SecondPathConfig is where a second copy of the same packets comes in, by another
// network: same SSRC, same sequence numbers, same bytes (as SMPTE ST 2022-7 has it).
// What either path delivers is forwarded, once.
type SecondPathConfig struct {
	VideoListen string         `yaml:"video_listen"` // UDP address, host:port; port 0 takes a free port
	AudioListen string         `yaml:"audio_listen"` // likewise; empty: the sound comes by one path
	Allow       []netip.Prefix `yaml:"allow"`        // networks that may send there; empty means any
	// Skew is how much later than by the other path a packet may come. It is waited
	// for that long where it is missing. 0 to 200 ms.
	Skew time.Duration `yaml:"skew"`
}

// RTPConfig is how the studio's media reaches the relay: plain RTP over UDP,
// described either by an SDP file or by Video and Audio.
type RTPConfig struct {
	// SDP is a session description as encoders write it (RFC 8866). In a
	// configuration file, a relative path starts at that file's directory.
	SDP   string       `yaml:"sdp"`
	Video *VideoConfig `yaml:"video"`
	Audio *AudioConfig `yaml:"audio"`
	// Allow are the networks that may send; empty means any. The first sender is
	// pinned until it falls silent.
	Allow []netip.Prefix `yaml:"allow"`
	// Silence is how long the pinned sender must be silent before another may
	// take over. 500 ms to 60 s.
	Silence time.Duration `yaml:"silence"`
	// Reorder is how long a missing packet is waited for. 0 to 200 ms.
	Reorder time.Duration `yaml:"reorder"`
	// SecondPath is where the same packets come in once more; nil for one path.
	SecondPath *SecondPathConfig `yaml:"second_path"`
}

// VideoConfig is the camera: track v0.
type VideoConfig struct {
	Codec       string `yaml:"codec"`        // h264 or vp8
	Listen      string `yaml:"listen"`       // UDP address, host:port; port 0 takes a free port
	PayloadType uint8  `yaml:"payload_type"` // 0 to 127
	SSRC        uint32 `yaml:"ssrc"`         // the only SSRC accepted; 0 takes the first that comes
	// Fmtp holds the codec's parameters as in an SDP's a=fmtp line; H.264 parameter
	// sets that the stream itself does not repeat go here (sprop-parameter-sets).
	Fmtp string `yaml:"fmtp"`
}

// AudioConfig is the microphone: track a0.
type AudioConfig struct {
	Codec       string `yaml:"codec"`        // opus
	Listen      string `yaml:"listen"`       // UDP address, host:port; port 0 takes a free port
	PayloadType uint8  `yaml:"payload_type"` // 0 to 127
	SSRC        uint32 `yaml:"ssrc"`         // the only SSRC accepted; 0 takes the first that comes
}

// DefaultConfig returns a configuration with every default and no stream. It is
// where all defaults are, together with [DefaultStream], [DefaultVideo],
// [DefaultAudio], [DefaultBackup] and [DefaultSecondPath].
func DefaultConfig() Config {
	return Config{
		HTTP:       HTTPConfig{Listen: ":8080", TLS: TLSConfig{Mode: TLSOff}},
		Media:      MediaConfig{UDP: ":7882", MaxUDPPayload: 1232, JoinBurst: true, Gather: time.Millisecond, PlayoutDelay: PlayoutDelay{Max: 500 * time.Millisecond}},
		Admin:      AdminConfig{Listen: "127.0.0.1:9090"},
		Transcript: TranscriptConfig{Origin: "framelock.local"},
		Drain:      DrainConfig{Grace: time.Second},
		Streams:    map[string]StreamConfig{},
	}
}

// DefaultStream returns a stream with every default; its RTP input is still to
// be described.
func DefaultStream() StreamConfig {
	return StreamConfig{
		RTP:        RTPConfig{Silence: 2 * time.Second, Reorder: 20 * time.Millisecond},
		History:    10 * time.Second,
		StateLimit: 64 << 10,
		Record:     RecordConfig{MaxAge: 24 * time.Hour, MaxSize: 64 << 30},
	}
}

// DefaultVideo returns the video input's defaults; the codec is still to be named.
func DefaultVideo() VideoConfig {
	return VideoConfig{Listen: "127.0.0.1:5004", PayloadType: 96}
}

// DefaultAudio returns the audio input's defaults.
func DefaultAudio() AudioConfig {
	return AudioConfig{Codec: "opus", Listen: "127.0.0.1:5006", PayloadType: 111}
}

// DefaultBackup returns the defaults of a backup encoder; its RTP input is still
// to be described.
func DefaultBackup() BackupConfig {
	return BackupConfig{RTP: DefaultStream().RTP, SwitchAfter: 200 * time.Millisecond}
}

// DefaultSecondPath returns the defaults of a second path; where it comes in is
// still to be said.
func DefaultSecondPath() SecondPathConfig {
	return SecondPathConfig{Skew: 50 * time.Millisecond}
}
