package forward

// Encoder is one of the encoders of a stream. Each sends all of the stream's
// tracks, with SSRCs, numbers and a clock of its own.
type Encoder uint8

// The encoders of a stream.
const (
	Primary  Encoder = iota
	Backup           // takes over when the primary is lost, or by hand
	Encoders = 2
)

// String returns the encoder's name in the API.
func (e Encoder) String() string {
	if e == Backup {
		return "backup"
	}
	return "primary"
}

// Other returns the other encoder.
func (e Encoder) Other() Encoder { return 1 - e }

// Path is one of the network paths by which the packets of one encoder may come:
// the same packets, with the same SSRC, numbers and bytes, as SMPTE ST 2022-7 has
// it.
type Path uint8

// Paths is how many paths an encoder's packets may take.
const Paths = 2

// Origin is where a packet entered the relay.
type Origin struct {
	Encoder Encoder
	Path    Path
}
